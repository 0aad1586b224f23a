package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	xdscredentials "google.golang.org/grpc/credentials/xds"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds" // xds:///
)

// A gRPC service that counts its calls, and takes its time.
type greeter struct {
	health.UnimplementedHealthServer
	calls atomic.Int32
	pause atomic.Int64 // nanoseconds
}

func (g *greeter) Check(context.Context, *health.HealthCheckRequest) (
	*health.HealthCheckResponse, error) {
	g.calls.Add(1)
	time.Sleep(time.Duration(g.pause.Load()))
	return &health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING}, nil
}

func (g *greeter) listen() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	server := grpc.NewServer()
	health.RegisterHealthServer(server, g)
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// serve FILE: until it is killed; its port goes into the file.
func serve(file string) error {
	port, err := (&greeter{}).listen()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", []byte(strconv.Itoa(port)), 0o644); err != nil {
		return err
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return err
	}
	select {}
}

func call(connection *grpc.ClientConn, words ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, words...)
	_, err := health.NewHealthClient(connection).Check(ctx, &health.HealthCheckRequest{})
	return err
}

func until(what string, fact func() bool) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if fact() {
			return nil
		}
	}
	return fmt.Errorf("still not so: %s", what)
}

func (w *witness) putGreeter(name string, port int) error {
	return w.put(name, fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"+
		"metadata: {name: %[1]s, namespace: demo}\nspec: {hosts: [%[1]s], resolution: STATIC, "+
		"ports: [{number: 80, name: grpc, protocol: GRPC}], "+
		"endpoints: [{address: 127.0.0.1, ports: {grpc: %[2]d}}]}\n", name, port))
}

func (w *witness) putRoutes(http string) error {
	return w.put("routes", "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"+
		"metadata: {name: one, namespace: demo}\nspec: {hosts: [one], http: ["+http+"]}\n")
}

// A channel without a proxy, to xds:///one:80: endpoints, their change, and the routes of a
// VirtualService.
func (w *witness) proxyless() error {
	one, two := &greeter{}, &greeter{}
	first, err := one.listen()
	if err != nil {
		return err
	}
	second, err := two.listen()
	if err != nil {
		return err
	}
	if err := w.putGreeter("one", first); err != nil {
		return err
	}
	connection, err := grpc.NewClient("xds:///one:80",
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	served := func(words ...string) bool { return call(connection, words...) == nil }
	if err := until("the first answer", func() bool { return served() }); err != nil {
		return err
	}
	if one.calls.Load() == 0 {
		return fmt.Errorf("another has answered")
	}
	// The endpoint is another.
	if err := w.putGreeter("one", second); err != nil {
		return err
	}
	if err := until("another endpoint", func() bool {
		return served() && two.calls.Load() > 0
	}); err != nil {
		return err
	}
	// By a header to another service; the rest stays.
	if err := w.putGreeter("two", first); err != nil {
		return err
	}
	if err := w.putRoutes("{match: [{headers: {x-to: {exact: two}}}], " +
		"route: [{destination: {host: two}}]}, {route: [{destination: {host: one}}]}"); err != nil {
		return err
	}
	before := one.calls.Load()
	if err := until("a route by header", func() bool {
		return served("x-to", "two") && one.calls.Load() > before
	}); err != nil {
		return err
	}
	before, other := one.calls.Load(), two.calls.Load()
	for range 20 {
		if !served() {
			return fmt.Errorf("a call failed")
		}
	}
	if one.calls.Load() != before || two.calls.Load() != other+20 {
		return fmt.Errorf("the other route was taken")
	}
	// A time for each call.
	two.pause.Store(int64(2 * time.Second))
	if err := w.putRoutes("{timeout: 0.2s, route: [{destination: {host: one}}]}"); err != nil {
		return err
	}
	if err := until("a timeout", func() bool {
		began := time.Now()
		err := call(connection)
		return status.Code(err) == codes.DeadlineExceeded && time.Since(began) < time.Second
	}); err != nil {
		return err
	}
	two.pause.Store(0)
	// A fault for each call.
	if err := w.putRoutes("{fault: {abort: {percentage: {value: 100}, grpcStatus: DATA_LOSS}}, " +
		"route: [{destination: {host: one}}]}"); err != nil {
		return err
	}
	if err := until("a fault", func() bool {
		err := call(connection)
		return status.Code(err) == codes.DataLoss
	}); err != nil {
		return err
	}
	if err := w.remove("routes"); err != nil {
		return err
	}
	if err := until("no fault", func() bool { return served() }); err != nil {
		return err
	}
	// What nobody has.
	if err := w.remove("one"); err != nil {
		return err
	}
	return until("its end", func() bool {
		err := call(connection)
		return status.Code(err) == codes.Unavailable
	})
}

// To a service behind a forwarder that takes mutual TLS alone, by its DestinationRule, with the
// certificates of the bootstrap's provider.
func (w *witness) proxylessTLS() error {
	transport, err := xdscredentials.NewClientCredentials(
		xdscredentials.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		return err
	}
	connect := func(transport credentials.TransportCredentials) (*grpc.ClientConn, error) {
		return grpc.NewClient("xds:///greeter:80", grpc.WithTransportCredentials(transport))
	}
	connection, err := connect(transport)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := w.put("greeter-rule", "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"+
		"metadata: {name: greeter, namespace: demo}\n"+
		"spec: {host: greeter, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}\n"); err != nil {
		return err
	}
	var last error
	if err := until("an answer under mutual TLS", func() bool {
		last = call(connection)
		return last == nil
	}); err != nil {
		return fmt.Errorf("%w: %v", err, last)
	}
	// In clear nobody is let in.
	clear, err := connect(insecure.NewCredentials())
	if err != nil {
		return err
	}
	defer clear.Close()
	for range 3 {
		if err := call(clear); status.Code(err) != codes.Unavailable {
			return fmt.Errorf("in clear: %v", err)
		}
	}
	return nil
}
