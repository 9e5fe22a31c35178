// Serves the stargz snapshotter on a Unix socket, as its own daemon does: snapshotter SOCKET ROOT [background]
//
// Debian ships no such daemon. Logins are taken from docker's config file; a registry on this machine is asked without
// TLS. Nothing is fetched that nobody reads, so that a test can count what is, unless "background" is given.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/contrib/snapshotservice"
	"github.com/containerd/stargz-snapshotter/fs/config"
	"github.com/containerd/stargz-snapshotter/service"
	"github.com/containerd/stargz-snapshotter/service/keychain/dockerconfig"
	"google.golang.org/grpc"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "snapshotter SOCKET ROOT [background]")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2], len(os.Args) > 3 && os.Args[3] == "background"); err != nil {
		fmt.Fprintln(os.Stderr, "snapshotter:", err)
		os.Exit(1)
	}
}

func serve(socket, root string, background bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	settings := service.Config{Config: config.Config{
		NoBackgroundFetch: !background,
		NoPrometheus:      true,
		LogFileAccess:     true,
	}}
	logins := service.WithCredsFuncs(dockerconfig.NewDockerconfigKeychain(ctx))
	snapshotter, err := service.NewStargzSnapshotterService(ctx, root, &settings, logins)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	snapshotsapi.RegisterSnapshotsServer(server, snapshotservice.FromSnapshotter(snapshotter))
	go func() {
		<-ctx.Done()
		server.GracefulStop()
	}()
	if err := server.Serve(listener); err != nil {
		return err
	}
	// Takes every file system down that it mounted.
	return snapshotter.Close()
}
