// Go's gRPC and Envoy's own Go messages as a witness of discoveryd's aggregated discovery
// service, and of what it serves to gRPC's resolver of xds:/// names.
//
//	go_client [-config DIR] [-log FILE] [-identity DIR] TARGET CHECK...
//
// TARGET is discoveryd's address as gRPC writes it; DIR holds the objects that configd reads;
// FILE is discoveryd's log; -identity is where svid.crt, svid.key and bundle.crt lie, for mutual
// TLS. Prints a line a check; exit status 0: all held.
//
//	go_client serve FILE
//
// is a gRPC service, until it is killed; its port goes into FILE.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

const (
	reviews = "outbound|80||reviews"
	other   = "outbound|80||other"
)

type witness struct {
	target, config, log string
	transport           credentials.TransportCredentials
	nodes               int
}

func main() {
	w := &witness{transport: insecure.NewCredentials()}
	identity := flag.String("identity", "", "directory of svid.crt, svid.key and bundle.crt")
	flag.StringVar(&w.config, "config", "", "directory of the objects")
	flag.StringVar(&w.log, "log", "", "discoveryd's log")
	flag.Parse()
	if flag.NArg() == 2 && flag.Arg(0) == "serve" {
		if err := serve(flag.Arg(1)); err != nil {
			fmt.Println("FAILED serve:", err)
			os.Exit(1)
		}
	}
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	w.target = flag.Arg(0)
	if *identity != "" {
		if err := w.identify(*identity); err != nil {
			fmt.Println("FAILED identity:", err)
			os.Exit(1)
		}
	}
	checks := map[string]func() error{
		"whole":         func() error { return w.subscriptions(false) },
		"incremental":   func() error { return w.subscriptions(true) },
		"named":         w.named,
		"refused":       func() error { return errors.Join(w.refused(false), w.refused(true)) },
		"versions":      w.versions,
		"reconnects":    w.reconnects,
		"strangers":     w.strangers,
		"crowd":         w.crowd,
		"slow":          w.slow,
		"refuser":       w.refuser,
		"proxyless":     w.proxyless,
		"proxyless_tls": w.proxylessTLS,
	}
	failed := false
	for _, name := range flag.Args()[1:] {
		began := time.Now()
		check, known := checks[name]
		if !known {
			check = func() error { return fmt.Errorf("no such check") }
		}
		if err := check(); err != nil {
			fmt.Printf("FAILED %s: %v\n", name, err)
			failed = true
			continue
		}
		fmt.Printf("ok %s (%.1f s)\n", name, time.Since(began).Seconds())
	}
	if failed {
		os.Exit(1)
	}
}

// Mutual TLS as a workload of the mesh: the server's certificate has no host's name in it.
func (w *witness) identify(dir string) error {
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "svid.crt"), filepath.Join(dir, "svid.key"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	bundle, err := os.ReadFile(filepath.Join(dir, "bundle.crt"))
	if err != nil {
		return err
	}
	if !roots.AppendCertsFromPEM(bundle) {
		return fmt.Errorf("no certificate in %s", dir)
	}
	verify := func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, certificate := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		leaf := state.PeerCertificates[0]
		if _, err := leaf.Verify(options); err != nil {
			return err
		}
		if len(leaf.URIs) != 1 || !strings.HasSuffix(leaf.URIs[0].String(), "/sa/discoveryd") {
			return fmt.Errorf("the server is %v", leaf.URIs)
		}
		return nil
	}
	w.transport = credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own},
		InsecureSkipVerify: true, VerifyConnection: verify})
	return nil
}

func (w *witness) connect() (*grpc.ClientConn, error) {
	return grpc.NewClient(w.target, grpc.WithTransportCredentials(w.transport),
		grpc.WithAuthority("localhost"))
}

func (w *witness) node() *core.Node {
	w.nodes++
	metadata, _ := structpb.NewStruct(map[string]any{
		"namespace": "demo", "outbound": "127.0.0.1:15001", "certificates": "/etc/peer"})
	return &core.Node{Id: fmt.Sprintf("go-%d-%d@test", os.Getpid(), w.nodes), Metadata: metadata,
		UserAgentName: "go-witness"}
}

// Runs `check` on a stream of a connection of its own.
func (w *witness) with(delta bool, node *core.Node, check func(*stream) error) error {
	connection, err := w.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	s, err := open(connection, delta, node)
	if err != nil {
		return err
	}
	defer s.close()
	return check(s)
}

// ---- What is configured

func (w *witness) put(name, text string) error {
	path := filepath.Join(w.config, "."+name+".tmp")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(w.config, name+".yaml"))
}

func (w *witness) remove(name string) error {
	return os.Remove(filepath.Join(w.config, name+".yaml"))
}

func (w *witness) putOther(port int) error {
	return w.put("other", fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"+
		"metadata: {name: other, namespace: demo}\nspec: {hosts: [other], resolution: STATIC, "+
		"ports: [{number: 80, name: http, protocol: HTTP}], "+
		"endpoints: [{address: 127.0.0.1, ports: {http: %d}}]}\n", port))
}

func (w *witness) putRule(pending int) error {
	return w.put("rule", fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"+
		"metadata: {name: reviews, namespace: demo}\nspec: {host: reviews, trafficPolicy: "+
		"{connectionPool: {http: {http1MaxPendingRequests: %d}}}}\n", pending))
}

func (w *witness) logged(words ...string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(w.log)
		if err != nil {
			return err
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			all := true
			for _, word := range words {
				all = all && strings.Contains(line, word)
			}
			if all {
				return nil
			}
		}
	}
	return fmt.Errorf("not logged: %v", words)
}

// ---- Checks

func has(r response, names ...string) error {
	for _, name := range names {
		if r.bodies[name] == nil {
			return fmt.Errorf("%s lacks %s", r.url, name)
		}
	}
	return nil
}

func portOf(r response, name string) (uint32, error) {
	assignment := &endpoint.ClusterLoadAssignment{}
	if err := proto.Unmarshal(r.bodies[name], assignment); err != nil {
		return 0, err
	}
	for _, locality := range assignment.Endpoints {
		for _, each := range locality.LbEndpoints {
			return each.GetEndpoint().GetAddress().GetSocketAddress().GetPortValue(), nil
		}
	}
	return 0, fmt.Errorf("%s has no endpoint", name)
}

// All types on one stream: clusters and listeners by wildcard, the rest by name.
func (w *witness) subscriptions(delta bool) error {
	if err := w.putOther(20001); err != nil {
		return err
	}
	return w.with(delta, w.node(), func(s *stream) error {
		asked := []struct {
			url   string
			names []string
			want  []string
		}{{cdsURL, nil, []string{reviews}}, {edsURL, []string{reviews, other}, []string{reviews}},
			{ldsURL, nil, []string{"outbound"}}, {rdsURL, []string{"outbound"}, []string{"outbound"}}}
		for _, each := range asked {
			if err := s.ask(each.url, each.names...); err != nil {
				return err
			}
			r, err := s.until(each.url)
			if err != nil {
				return err
			}
			if r.nonce == "" || (!delta && r.version == "") {
				return fmt.Errorf("%s: no nonce or no version", each.url)
			}
			if err := has(r, each.want...); err != nil {
				return err
			}
		}
		if _, err := s.settle(); err != nil {
			return err
		}
		// One endpoint's change is one resource.
		if err := w.putOther(20002); err != nil {
			return err
		}
		for {
			r, err := s.until(edsURL)
			if err != nil {
				return err
			}
			if r.bodies[other] == nil {
				continue // another instance came meanwhile
			}
			port, err := portOf(r, other)
			if err != nil {
				return err
			}
			if port == 20001 {
				continue // the first answer
			}
			if port != 20002 || len(r.bodies) != 1 {
				return fmt.Errorf("port %d, %d resources", port, len(r.bodies))
			}
			return s.quiet()
		}
	})
}

// By name alone, more names and fewer, and "*" beside them.
func (w *witness) named() error {
	if err := w.putOther(20003); err != nil {
		return err
	}
	for _, delta := range []bool{false, true} {
		if err := w.with(delta, w.node(), func(s *stream) error {
			if err := s.ask(cdsURL, reviews); err != nil {
				return err
			}
			r, err := s.until(cdsURL)
			if err != nil {
				return err
			}
			if len(r.bodies) != 1 || r.bodies[reviews] == nil {
				return fmt.Errorf("one cluster was asked for, %d came", len(r.bodies))
			}
			change := request{url: cdsURL, version: r.version, nonce: r.nonce,
				subscribe: []string{other, "outbound|80||nobody"}, unsubscribe: []string{reviews}}
			if err := s.write(change); err != nil {
				return err
			}
			r, err = s.until(cdsURL)
			if err != nil {
				return err
			}
			if r.bodies[other] == nil || r.bodies[reviews] != nil {
				return fmt.Errorf("the names were changed, %d clusters came", len(r.bodies))
			}
			rest, err := s.settle()
			if err != nil {
				return err
			}
			told := slices.ContainsFunc(append(rest, r), func(r response) bool {
				return slices.Contains(r.removed, "outbound|80||nobody")
			})
			if told != delta {
				return fmt.Errorf("told that there is no such cluster: %v", told)
			}
			if len(rest) > 0 {
				r = rest[len(rest)-1]
			}
			change = request{url: cdsURL, version: r.version, nonce: r.nonce, subscribe: []string{"*"}}
			if err := s.write(change); err != nil {
				return err
			}
			r, err = s.until(cdsURL)
			if err != nil {
				return err
			}
			return has(r, reviews)
		}); err != nil {
			return fmt.Errorf("incremental %v: %w", delta, err)
		}
	}
	return nil
}

// What is refused is logged, is not sent again, and its mend arrives.
func (w *witness) refused(delta bool) error {
	node := w.node()
	return w.with(delta, node, func(s *stream) error {
		if err := s.ask(cdsURL); err != nil {
			return err
		}
		if _, err := s.settle(); err != nil {
			return err
		}
		if err := w.putRule(11); err != nil {
			return err
		}
		defer w.remove("rule")
		r, err := s.next()
		if err != nil {
			return err
		}
		if err := s.refuse(r, "cluster "+reviews+" is not for Go"); err != nil {
			return err
		}
		if err := w.logged("refuses", node.Id, reviews, "not for Go"); err != nil {
			return err
		}
		if err := s.refuse(r, "an old nonce"); err != nil {
			return err
		}
		if err := s.quiet(); err != nil {
			return err
		}
		if err := w.putRule(12); err != nil {
			return err
		}
		r, err = s.until(cdsURL)
		if err != nil {
			return err
		}
		return has(r, reviews)
	})
}

// Who comes back with its versions is told what is new, and what is gone.
func (w *witness) versions() error {
	if err := w.putOther(20004); err != nil {
		return err
	}
	node := w.node()
	held := map[string]string{}
	if err := w.with(true, node, func(s *stream) error {
		if err := s.ask(cdsURL); err != nil {
			return err
		}
		all, err := s.settle()
		for _, r := range all {
			for name, version := range r.versions {
				held[name] = version
			}
		}
		return err
	}); err != nil {
		return err
	}
	if held[other] == "" {
		return fmt.Errorf("no version of %s among %v", other, held)
	}
	held["outbound|80||gone"] = "1"
	if err := w.putRule(21); err != nil {
		return err
	}
	defer w.remove("rule")
	return w.with(true, node, func(s *stream) error {
		if err := s.write(request{url: cdsURL, held: held}); err != nil {
			return err
		}
		told, removed := map[string]bool{}, []string{}
		for !told[reviews] || len(removed) == 0 {
			r, err := s.until(cdsURL)
			if err != nil {
				return err
			}
			for name := range r.bodies {
				told[name] = true
			}
			removed = append(removed, r.removed...)
		}
		if len(told) != 1 || !slices.Equal(removed, []string{"outbound|80||gone"}) {
			return fmt.Errorf("told %v, removed %v", told, removed)
		}
		return s.quiet()
	})
}

// A hundred connections of one node, one after another, each served.
func (w *witness) reconnects() error {
	node := w.node()
	for i := range 100 {
		if err := w.with(i%2 == 1, node, func(s *stream) error {
			if err := s.ask(cdsURL); err != nil {
				return err
			}
			r, err := s.until(cdsURL)
			if err != nil {
				return err
			}
			return has(r, reviews)
		}); err != nil {
			return fmt.Errorf("the connection %d: %w", i, err)
		}
	}
	return nil
}

// Over mutual TLS: a node of another namespace, and a client without a certificate.
func (w *witness) strangers() error {
	expect := func(want codes.Code, node *core.Node) error {
		err := w.with(true, node, func(s *stream) error {
			_ = s.ask(cdsURL) // the stream may have ended
			_, err := s.next()
			return err
		})
		if status.Code(err) != want {
			return fmt.Errorf("expected %v, got %v", want, err)
		}
		return nil
	}
	node := w.node()
	node.Metadata.Fields["namespace"] = structpb.NewStringValue("elsewhere")
	if err := expect(codes.PermissionDenied, node); err != nil {
		return err
	}
	mine := w.transport
	defer func() { w.transport = mine }()
	w.transport = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	return expect(codes.Unavailable, w.node())
}
