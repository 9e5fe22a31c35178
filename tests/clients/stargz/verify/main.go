// Verifies one eStargz layer with the format's own library: verify FILE DIGEST-OF-THE-TABLE-OF-CONTENTS
//
// Everything that is said on standard output is one JSON object; the exit code is 0 only if the layer is sound.
package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
)

type report struct {
	DiffID       string         `json:"diff_id"`
	Uncompressed int64          `json:"uncompressed_bytes"`
	Kinds        map[string]int `json:"kinds"`
	Chunks       int            `json:"chunks"`
	PayloadBytes int64          `json:"payload_bytes"`
	Landmark     string         `json:"landmark"`
	// Files in the order of the layer that stand before the landmark, which the snapshotter fetches at once.
	Prefetched []string `json:"prefetched"`
}

func main() {
	found, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "not verified:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		os.Exit(1)
	}
}

func check(name, annotation string) (*report, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return nil, err
	}
	layer, err := estargz.Open(io.NewSectionReader(file, 0, about.Size()))
	if err != nil {
		return nil, err
	}
	verifiers, err := layer.VerifyTOC(digest.Digest(annotation))
	if err != nil {
		return nil, err
	}
	found := &report{Kinds: map[string]int{}, Prefetched: []string{}}
	root, ok := layer.Lookup("")
	if !ok {
		return nil, errors.New("there is no root")
	}
	var regular []*estargz.TOCEntry
	if err := walk(layer, verifiers, "", root, found, &regular); err != nil {
		return nil, err
	}
	if err := landmark(layer, regular, found); err != nil {
		return nil, err
	}
	return found, unpacked(file, found)
}

func walk(layer *estargz.Reader, verifiers estargz.TOCEntryVerifier, at string, entry *estargz.TOCEntry,
	found *report, regular *[]*estargz.TOCEntry) (failure error) {
	found.Kinds[entry.Type]++
	if entry.Type == "reg" {
		*regular = append(*regular, entry)
		return read(layer, verifiers, at, entry, found)
	}
	entry.ForeachChild(func(base string, child *estargz.TOCEntry) bool {
		failure = walk(layer, verifiers, path.Join(at, base), child, found, regular)
		return failure == nil
	})
	return failure
}

// read holds every chunk of a file against its digest, and the whole file against its own.
func read(layer *estargz.Reader, verifiers estargz.TOCEntryVerifier, name string, entry *estargz.TOCEntry,
	found *report) error {
	content, err := layer.OpenFile(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	whole := sha256.New()
	for at := int64(0); at < entry.Size; {
		chunk, ok := layer.ChunkEntryForOffset(name, at)
		if !ok || chunk.ChunkSize <= 0 {
			return fmt.Errorf("%s: no chunk at %d", name, at)
		}
		verifier, err := verifiers.Verifier(chunk)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		// In one piece: for each further one the library would decompress the chunk from its beginning again.
		piece := make([]byte, chunk.ChunkSize)
		if _, err := content.ReadAt(piece, at); err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := io.MultiWriter(verifier, whole).Write(piece); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !verifier.Verified() {
			return fmt.Errorf("%s: the chunk at %d has another digest", name, at)
		}
		found.Chunks++
		at += chunk.ChunkSize
	}
	found.PayloadBytes += entry.Size
	if got := fmt.Sprintf("sha256:%x", whole.Sum(nil)); got != entry.Digest {
		return fmt.Errorf("%s: its digest is %s and not %s", name, got, entry.Digest)
	}
	return nil
}

func landmark(layer *estargz.Reader, regular []*estargz.TOCEntry, found *report) error {
	for _, name := range []string{estargz.PrefetchLandmark, estargz.NoPrefetchLandmark} {
		if mark, ok := layer.Lookup(name); ok {
			if found.Landmark != "" {
				return errors.New("there are two landmarks")
			}
			found.Landmark = name
			if name == estargz.NoPrefetchLandmark {
				continue
			}
			for _, entry := range regular {
				if entry.Size > 0 && entry.Offset < mark.Offset {
					found.Prefetched = append(found.Prefetched, entry.Name)
				}
			}
		}
	}
	slices.Sort(found.Prefetched)
	// A file of several names was met by each of them.
	found.Prefetched = slices.Compact(found.Prefetched)
	if found.Landmark == "" {
		return errors.New("there is no landmark")
	}
	return nil
}

// unpacked reads the layer as every plain client does: all its gzip members as one stream.
func unpacked(file *os.File, found *report) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	stream, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if found.Uncompressed, err = io.Copy(sum, stream); err != nil {
		return err
	}
	found.DiffID = fmt.Sprintf("sha256:%x", sum.Sum(nil))
	return nil
}
