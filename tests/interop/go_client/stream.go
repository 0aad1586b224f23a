package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const (
	cdsURL = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	edsURL = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	ldsURL = "type.googleapis.com/envoy.config.listener.v3.Listener"
	rdsURL = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

	patience = 20 * time.Second
	moment   = 400 * time.Millisecond
)

// A response of either variant.
type response struct {
	url, version, nonce string
	bodies              map[string][]byte // by the resource's name
	versions            map[string]string // incremental
	removed             []string
	err                 error
}

// A request of either variant.
type request struct {
	url                    string
	subscribe, unsubscribe []string
	held                   map[string]string // incremental: from before
	version, nonce         string
	refusal                string
}

// One stream of the aggregated service.
type stream struct {
	delta     bool
	node      *core.Node
	names     map[string][]string // state of the world: what each request repeats
	first     bool
	cancel    context.CancelFunc
	write     func(request) error
	read      func() (response, error) // what has come
	responses chan response            // the same, where it is read as it comes
}

// A stream that is read as fast as it comes.
func open(connection *grpc.ClientConn, delta bool, node *core.Node) (*stream, error) {
	s, err := openUnread(connection, delta, node)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			r, err := s.read()
			r.err = err
			s.responses <- r
			if err != nil {
				return
			}
		}
	}()
	return s, nil
}

func openUnread(connection *grpc.ClientConn, delta bool, node *core.Node) (*stream, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{delta: delta, node: node, names: map[string][]string{}, first: true,
		cancel: cancel, responses: make(chan response, 64)}
	client := discovery.NewAggregatedDiscoveryServiceClient(connection)
	if delta {
		call, err := client.DeltaAggregatedResources(ctx)
		if err != nil {
			return nil, err
		}
		s.write = func(r request) error { return call.Send(s.incremental(r)) }
		s.read = func() (response, error) {
			message, err := call.Recv()
			if err != nil {
				return response{}, err
			}
			return fromIncremental(message), nil
		}
	} else {
		call, err := client.StreamAggregatedResources(ctx)
		if err != nil {
			return nil, err
		}
		s.write = func(r request) error { return call.Send(s.whole(r)) }
		s.read = func() (response, error) {
			message, err := call.Recv()
			if err != nil {
				return response{}, err
			}
			return fromWhole(message)
		}
	}
	return s, nil
}

func (s *stream) close() { s.cancel() }

// The node, in the first request alone.
func (s *stream) introduce() *core.Node {
	if !s.first {
		return nil
	}
	s.first = false
	return s.node
}

func detail(refusal string) *status.Status {
	if refusal == "" {
		return nil
	}
	return &status.Status{Code: 3, Message: refusal}
}

func (s *stream) incremental(r request) *discovery.DeltaDiscoveryRequest {
	return &discovery.DeltaDiscoveryRequest{Node: s.introduce(), TypeUrl: r.url,
		ResourceNamesSubscribe: r.subscribe, ResourceNamesUnsubscribe: r.unsubscribe,
		InitialResourceVersions: r.held, ResponseNonce: r.nonce, ErrorDetail: detail(r.refusal)}
}

func (s *stream) whole(r request) *discovery.DiscoveryRequest {
	names := slices.DeleteFunc(s.names[r.url], func(name string) bool {
		return slices.Contains(r.unsubscribe, name)
	})
	s.names[r.url] = append(names, r.subscribe...)
	return &discovery.DiscoveryRequest{Node: s.introduce(), TypeUrl: r.url,
		ResourceNames: s.names[r.url], VersionInfo: r.version, ResponseNonce: r.nonce,
		ErrorDetail: detail(r.refusal)}
}

func fromIncremental(message *discovery.DeltaDiscoveryResponse) response {
	r := response{url: message.TypeUrl, version: message.SystemVersionInfo, nonce: message.Nonce,
		bodies: map[string][]byte{}, versions: map[string]string{}, removed: message.RemovedResources}
	for _, resource := range message.Resources {
		r.bodies[resource.Name] = resource.Resource.GetValue()
		r.versions[resource.Name] = resource.Version
	}
	return r
}

func fromWhole(message *discovery.DiscoveryResponse) (response, error) {
	r := response{url: message.TypeUrl, version: message.VersionInfo, nonce: message.Nonce,
		bodies: map[string][]byte{}}
	for _, any := range message.Resources {
		resource, err := any.UnmarshalNew()
		if err != nil {
			return r, err
		}
		r.bodies[nameOf(resource)] = any.Value
	}
	return r, nil
}

func nameOf(resource proto.Message) string {
	switch named := resource.(type) {
	case interface{ GetClusterName() string }:
		return named.GetClusterName()
	case interface{ GetName() string }:
		return named.GetName()
	}
	return ""
}

func (s *stream) ask(url string, names ...string) error {
	return s.write(request{url: url, subscribe: names})
}

func (s *stream) accept(r response) error {
	return s.write(request{url: r.url, version: r.version, nonce: r.nonce})
}

func (s *stream) refuse(r response, why string) error {
	return s.write(request{url: r.url, nonce: r.nonce, refusal: why})
}

// The next response; it is left to the caller to answer it.
func (s *stream) next() (response, error) {
	select {
	case r := <-s.responses:
		return r, r.err
	case <-time.After(patience):
		return response{}, fmt.Errorf("no response came")
	}
}

// The next response of that type, accepted; what comes before it is accepted too.
func (s *stream) until(url string) (response, error) {
	for {
		r, err := s.next()
		if err == nil {
			err = s.accept(r)
		}
		if err != nil || r.url == url {
			return r, err
		}
	}
}

// Accepts what comes until nothing does.
func (s *stream) settle() ([]response, error) {
	var all []response
	for {
		select {
		case r := <-s.responses:
			if r.err != nil {
				return all, r.err
			}
			if err := s.accept(r); err != nil {
				return all, err
			}
			all = append(all, r)
		case <-time.After(moment):
			return all, nil
		}
	}
}

func (s *stream) quiet() error {
	select {
	case r := <-s.responses:
		return fmt.Errorf("there should be no response: %v %v", r.url, r.err)
	case <-time.After(moment):
		return nil
	}
}
