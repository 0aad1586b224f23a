package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	crowdConnections = 500
	crowdStreams     = 10 // of each: together more than discoveryd takes at once
	stay             = 3 * time.Second
	slowReaders      = 50
	slowChanges      = 30
)

// Five thousand streams come back at once, each with the versions that it held. Who is turned
// away for being too many tries again, and all are served.
func (w *witness) crowd() error {
	held := map[string]string{}
	if err := w.with(true, w.node(), func(s *stream) error {
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
	held["outbound|80||gone"] = "1" // the answer: it is
	var wait sync.WaitGroup
	var lock sync.Mutex
	var failures []error
	turnedAway := 0
	for range crowdConnections {
		connection, err := w.connect()
		if err != nil {
			return err
		}
		defer connection.Close()
		for range crowdStreams {
			node := w.node()
			wait.Go(func() {
				away, err := come(func() (*stream, error) {
					s, err := open(connection, true, node)
					if err != nil {
						return nil, err
					}
					_ = s.write(request{url: cdsURL, held: held}) // reading tells why it failed
					return s, nil
				})
				lock.Lock()
				defer lock.Unlock()
				turnedAway += away
				if err != nil {
					failures = append(failures, err)
				}
			})
		}
	}
	wait.Wait()
	fmt.Printf("%d streams, %d times turned away\n", crowdConnections*crowdStreams, turnedAway)
	if len(failures) > 0 {
		return fmt.Errorf("%d of them were not served: %w", len(failures), failures[0])
	}
	return nil
}

// A stream until it is served; how often it was turned away before.
func come(begin func() (*stream, error)) (int, error) {
	pause := 50 * time.Millisecond
	for away := 0; ; away++ {
		s, err := begin()
		if err == nil {
			err = removal(s)
			if err == nil {
				time.Sleep(stay)
			}
		}
		if s != nil {
			s.close()
		}
		switch status.Code(err) {
		case codes.OK:
			return away, nil
		case codes.ResourceExhausted, codes.Unavailable:
			if away == 12 {
				return away, err
			}
		default:
			return away, err
		}
		time.Sleep(pause)
		pause = min(2*pause, time.Second)
	}
}

// Until it is told of the one removal: nothing else is news.
func removal(s *stream) error {
	for {
		r, err := s.until(cdsURL)
		if err != nil || len(r.removed) == 1 {
			return err
		}
		if len(r.bodies) > 0 {
			return fmt.Errorf("sent again: %v", r.versions)
		}
	}
}

// Readers that read nothing while much changes: others are told at once, and when they read
// they are told what is, not all that was.
func (w *witness) slow() error {
	var streams []*stream
	for range slowReaders {
		connection, err := grpc.NewClient(w.target, grpc.WithTransportCredentials(w.transport),
			grpc.WithAuthority("localhost"), grpc.WithInitialWindowSize(1<<16),
			grpc.WithInitialConnWindowSize(1<<16))
		if err != nil {
			return err
		}
		defer connection.Close()
		s, err := openUnread(connection, true, w.node())
		if err != nil {
			return err
		}
		if err := s.ask(edsURL, other); err != nil {
			return err
		}
		streams = append(streams, s)
	}
	if err := w.with(true, w.node(), func(s *stream) error {
		if err := s.ask(edsURL, other); err != nil {
			return err
		}
		for i := range slowChanges {
			if err := w.putOther(21000 + i); err != nil {
				return err
			}
			for {
				r, err := s.until(edsURL)
				if err != nil {
					return fmt.Errorf("beside slow readers: %w", err)
				}
				if port, err := portOf(r, other); err == nil && port == uint32(21000+i) {
					break
				}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, s := range streams {
		responses := 0
		for {
			r, err := s.read()
			if err != nil {
				return err
			}
			if responses++; responses > 4 {
				return errors.New("a slow reader is told all that was")
			}
			if err := s.accept(r); err != nil {
				return err
			}
			if port, err := portOf(r, other); err == nil && port == 21000+slowChanges-1 {
				break
			}
		}
		s.close()
	}
	return nil
}

// Refuses all that comes, at once, under other names each time: what is refused is not sent
// again before it changes, and others are served meanwhile.
func (w *witness) refuser() error {
	if err := w.putOther(22000); err != nil {
		return err
	}
	for _, delta := range []bool{false, true} {
		if err := w.with(delta, w.node(), func(s *stream) error {
			if err := s.ask(edsURL, other); err != nil {
				return err
			}
			came, names := 0, 0
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
				select {
				case r := <-s.responses:
					if r.err != nil {
						return r.err
					}
					if r.bodies[other] != nil {
						came++
					}
					answer := request{url: r.url, nonce: r.nonce, refusal: "no"}
					if names++; names < 100 {
						answer.subscribe = []string{fmt.Sprintf("outbound|80||none%d", names)}
					}
					if err := s.write(answer); err != nil {
						return err
					}
				case <-time.After(moment):
				}
				if came > 2 {
					return errors.New("a storm of what was refused")
				}
			}
			if err := w.putOther(22001); err != nil {
				return err
			}
			for {
				r, err := s.until(edsURL)
				if err != nil {
					return err
				}
				if port, err := portOf(r, other); err == nil && port == 22001 {
					break
				}
			}
			return w.putOther(22000)
		}); err != nil {
			return fmt.Errorf("incremental %v: %w", delta, err)
		}
	}
	return nil
}
