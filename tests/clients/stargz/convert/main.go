// Converts one layer with the format's own library, to compare with: convert SOURCE TARGET LEVEL [CORES [FILE…]]
//
// LEVEL is gzip's, or "default" for the library's own. FILEs come first. Prints one JSON object.
package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/containerd/stargz-snapshotter/estargz"
)

const chunkBytes = 4 << 20

type report struct {
	Seconds      float64 `json:"seconds"`
	CPUSeconds   float64 `json:"cpu_seconds"`
	SourceBytes  int64   `json:"source_bytes"`
	Uncompressed int64   `json:"uncompressed_bytes"`
	Bytes        int64   `json:"bytes"`
	PeakBytes    int64   `json:"peak_bytes"`
	DiffID       string  `json:"diff_id"`
	TOCDigest    string  `json:"toc_digest"`
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "convert SOURCE TARGET LEVEL [CORES [FILE...]]")
		os.Exit(2)
	}
	found, err := convert(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "not converted:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		os.Exit(1)
	}
}

func convert(source, target, level string, rest []string) (*report, error) {
	options := []estargz.Option{estargz.WithChunkSize(chunkBytes)}
	if level != "default" {
		number, err := strconv.Atoi(level)
		if err != nil || number < gzip.HuffmanOnly || number > gzip.BestCompression {
			return nil, fmt.Errorf("%s is no level", level)
		}
		options = append(options, estargz.WithCompressionLevel(number))
	}
	if len(rest) > 0 {
		cores, err := strconv.Atoi(rest[0])
		if err != nil {
			return nil, fmt.Errorf("%s is no number of cores", rest[0])
		}
		runtime.GOMAXPROCS(cores)
	}
	if len(rest) > 1 {
		options = append(options, estargz.WithPrioritizedFiles(rest[1:]))
	}
	input, err := os.Open(source)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	about, err := input.Stat()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	blob, err := estargz.Build(io.NewSectionReader(input, 0, about.Size()), options...)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	output, err := os.Create(target)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	found := &report{SourceBytes: about.Size()}
	if found.Bytes, err = io.Copy(output, blob); err != nil {
		return nil, err
	}
	if found.Uncompressed, err = blob.UncompressedSize(); err != nil {
		return nil, err
	}
	// The digest of the whole is known only once the blob is closed; closing it twice is harmless.
	if err := blob.Close(); err != nil {
		return nil, err
	}
	found.Seconds = time.Since(begun).Seconds()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return nil, err
	}
	found.CPUSeconds = seconds(used.Utime) + seconds(used.Stime)
	found.PeakBytes = used.Maxrss * 1024
	found.DiffID, found.TOCDigest = blob.DiffID().String(), blob.TOCDigest().String()
	return found, nil
}

func seconds(spent syscall.Timeval) float64 {
	return float64(spent.Sec) + float64(spent.Usec)/1e6
}
