package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
)

const (
	jwksBytesMax     = 1 << 20
	jwksFetchTimeout = 10 * time.Second
)

// JWKS is a set of keys at a URL. Keys are fetched when they are first needed, when they are old, and when a token
// names one that is not among them, though never more often than the backoff allows: strangers decide what tokens name.
type JWKS struct {
	o      JWKSOptions
	fetch  func(ctx context.Context) ([]byte, error)
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	keys     []jwk
	fetched  time.Time     // the last success
	next     time.Time     // no fetch before
	backoff  time.Duration // after the next failure
	fetching chan struct{} // closed when the fetch under way ends, nil if there is none
	failed   error
}

// JWKSOptions say where keys are and how often they are fetched.
type JWKSOptions struct {
	URL                 string // https, http or file
	Refresh             time.Duration
	Backoff, BackoffMax time.Duration
	FS                  vfs.FS
	Clock               clock.Clock
	Logger              *slog.Logger
}

// NewJWKS checks the URL and fetches nothing yet.
func NewJWKS(o JWKSOptions) (*JWKS, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, errors.New("sasl.oauthbearer.jwks.endpoint.url is not a URL")
	}
	j := &JWKS{o: o, backoff: o.Backoff}
	switch {
	case u.Scheme == "file" && (u.Host == "" || u.Host == "localhost"):
		j.fetch = func(context.Context) ([]byte, error) { return readSmall(o.FS, u.Path) }
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "":
		// A client of its own: the keys of a stranger must not come by way of cookies or redirects to other schemes.
		client := &http.Client{Timeout: jwksFetchTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.URL.Scheme != u.Scheme {
				return errors.New("redirected elsewhere")
			}
			return nil
		}}
		j.fetch = func(ctx context.Context) ([]byte, error) { return fetchURL(ctx, client, o.URL) }
	default:
		return nil, errors.New("sasl.oauthbearer.jwks.endpoint.url has to be an https, http or file URL")
	}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	return j, nil
}

// Close ends a fetch under way.
func (j *JWKS) Close() { j.cancel() }

func readSmall(fsys vfs.FS, name string) ([]byte, error) {
	info, err := fsys.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size > jwksBytesMax {
		return nil, fmt.Errorf("%s has %d bytes", name, info.Size)
	}
	return vfs.ReadFile(fsys, name)
}

func fetchURL(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, jwksBytesMax+1))
	if err == nil && len(b) > jwksBytesMax {
		err = errors.New("the answer is too large")
	}
	return b, err
}

// Keys returns the keys. With missing set a key that was looked for is not among them, and they are fetched anew if
// that has not just been done.
func (j *JWKS) Keys(ctx context.Context, missing bool) ([]jwk, error) {
	j.mu.Lock()
	now := j.o.Clock.Now()
	stale := j.keys == nil || missing || now.Sub(j.fetched) >= j.o.Refresh
	if stale && j.fetching == nil && !now.Before(j.next) {
		j.fetching = make(chan struct{})
		go j.refresh(j.fetching)
	}
	wait := j.fetching
	keys, err := j.keys, j.failed
	j.mu.Unlock()
	// Keys that are only old still serve while new ones are fetched.
	if wait != nil && (keys == nil || missing) {
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		j.mu.Lock()
		keys, err = j.keys, j.failed
		j.mu.Unlock()
	}
	if keys == nil {
		if err == nil {
			err = errors.New("not fetched yet")
		}
		return nil, fmt.Errorf("the keys of the issuer are not known: %w", err)
	}
	return keys, nil
}

func (j *JWKS) refresh(done chan struct{}) {
	data, err := j.fetch(j.ctx)
	var keys []jwk
	if err == nil {
		keys, err = parseJWKS(data)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.o.Clock.Now()
	if err != nil {
		j.failed = err
		j.next = now.Add(j.backoff)
		j.backoff = min(2*max(j.backoff, time.Millisecond), j.o.BackoffMax)
		j.o.Logger.Error("fetching the keys of the token issuer failed", "url", j.o.URL, "err", err)
	} else {
		j.keys, j.fetched, j.failed = keys, now, nil
		j.backoff = j.o.Backoff
		j.next = now.Add(j.o.BackoffMax)
	}
	j.fetching = nil
	close(done)
}
