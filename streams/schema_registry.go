package streams

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// SchemaRegistry is what serdes of registered schemas ask; [RegistryClient] asks one by HTTP. It is called from many
// goroutines at once. Serdes remember its answers: an id always means the same schema. An error that wraps [ErrUnavailable] says
// that asking again later helps.
type SchemaRegistry interface {
	// SchemaByID gives the schema with this id. Avro schemas that refer to others come with them put in.
	SchemaByID(ctx context.Context, id int32) (Schema, error)
	// SchemaByGUID gives the schema with this global id, by which records name their schema in a header.
	SchemaByGUID(ctx context.Context, guid [16]byte) (Schema, error)
	// Register gives the id of a schema under a subject, and registers it if it is not there.
	Register(ctx context.Context, subject string, s Schema) (id int32, err error)
	// Lookup gives the id of a schema under a subject; one that is not there is an error.
	Lookup(ctx context.Context, subject string, s Schema) (id int32, err error)
}

// Schema is a schema as registries keep it.
type Schema struct {
	Type       string            `json:"schemaType,omitempty"` // AVRO, PROTOBUF or JSON; "" is AVRO
	Text       string            `json:"schema"`
	References []SchemaReference `json:"references,omitempty"`
}

// SchemaReference is another schema that a text refers to by a name: the file of an import, the full name of an Avro type,
// the URI of a JSON schema.
type SchemaReference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// RegistryClient asks a schema registry by the REST API that Confluent defined; ours, Confluent's, Karapace and others speak
// it. The zero value but for URLs is ready to use.
type RegistryClient struct {
	// URLs are the bases of one registry's servers, such as http://localhost:8081. A server that cannot be reached or answers
	// 5xx is followed by the next, each of them asked at most twice. When none answers, the error wraps [ErrUnavailable].
	URLs []string
	// HTTP sends the requests. Nil is a client that gives up on one after ten seconds.
	HTTP *http.Client
	// Authorize, if not nil, adds to each request what the registry wants to see, as by (*http.Request).SetBasicAuth.
	Authorize func(*http.Request)
}

const (
	registryTimeout   = 10 * time.Second
	registryRounds    = 2        // through all URLs
	registryBytesMax  = 16 << 20 // of an answer
	registryMediaType = "application/vnd.schemaregistry.v1+json"
)

var defaultRegistryHTTP = &http.Client{Timeout: registryTimeout}

// A RegistryError is the refusal of a schema registry.
type RegistryError struct {
	Status  int    `json:"-"`          // of HTTP
	Code    int    `json:"error_code"` // of the registry, such as 40403 for a schema that is not there
	Message string `json:"message"`
}

func (e *RegistryError) Error() string {
	return fmt.Sprintf("the schema registry answered %d: %s (%d)", e.Status, e.Message, e.Code)
}

// SchemaByID is GET /schemas/ids/{id}?format=resolved.
func (c *RegistryClient) SchemaByID(ctx context.Context, id int32) (s Schema, err error) {
	err = c.ask(ctx, http.MethodGet, "/schemas/ids/"+strconv.Itoa(int(id))+"?format=resolved", nil, &s)
	return s, err
}

// SchemaByGUID is GET /schemas/guids/{guid}?format=resolved.
func (c *RegistryClient) SchemaByGUID(ctx context.Context, guid [16]byte) (s Schema, err error) {
	text, _ := UUID.Append(nil, "", nil, guid)
	err = c.ask(ctx, http.MethodGet, "/schemas/guids/"+string(text)+"?format=resolved", nil, &s)
	return s, err
}

// Register is POST /subjects/{subject}/versions.
func (c *RegistryClient) Register(ctx context.Context, subject string, s Schema) (int32, error) {
	return c.idOf(ctx, "/subjects/"+url.PathEscape(subject)+"/versions", s)
}

// Lookup is POST /subjects/{subject}.
func (c *RegistryClient) Lookup(ctx context.Context, subject string, s Schema) (int32, error) {
	return c.idOf(ctx, "/subjects/"+url.PathEscape(subject), s)
}

func (c *RegistryClient) idOf(ctx context.Context, path string, s Schema) (int32, error) {
	var answer struct {
		ID int32 `json:"id"`
	}
	err := c.ask(ctx, http.MethodPost, path, s, &answer)
	return answer.ID, err
}

// ask sends a request to one server after the other until one answers.
func (c *RegistryClient) ask(ctx context.Context, method, path string, body, into any) error {
	if len(c.URLs) == 0 {
		return errors.New("the registry's client has no URL")
	}
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	var failed error
	for range registryRounds {
		for _, base := range c.URLs {
			err := c.askOne(ctx, method, strings.TrimSuffix(base, "/")+path, text, into)
			var refusal *RegistryError
			if err == nil || errors.As(err, &refusal) && refusal.Status < http.StatusInternalServerError {
				return err
			}
			failed = fmt.Errorf("%w: %w", ErrUnavailable, err)
			if ctx.Err() != nil {
				return failed
			}
		}
	}
	return failed
}

func (c *RegistryClient) askOne(ctx context.Context, method, address string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", registryMediaType)
	request.Header.Set("Content-Type", registryMediaType)
	if c.Authorize != nil {
		c.Authorize(request)
	}
	client := c.HTTP
	if client == nil {
		client = defaultRegistryHTTP
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking the schema registry: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, registryBytesMax+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading the schema registry's answer: %w", err)
	case len(text) > registryBytesMax:
		return fmt.Errorf("the schema registry's answer is longer than %d bytes", registryBytesMax)
	case response.StatusCode != http.StatusOK:
		refusal := &RegistryError{Status: response.StatusCode}
		if json.Unmarshal(text, refusal) != nil || refusal.Message == "" {
			refusal.Message = http.StatusText(response.StatusCode)
		}
		return refusal
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the schema registry's answer: %w", err)
	}
	return nil
}

// schemaName names a schema in a record: by an id of the registry, or by a global id.
type schemaName struct {
	id   int32
	guid [16]byte
}

func (n schemaName) String() string {
	if n.guid == [16]byte{} {
		return strconv.Itoa(int(n.id))
	}
	return hex.EncodeToString(n.guid[:])
}

// find asks for the schema of a name.
func (n schemaName) find(r SchemaRegistry) (Schema, error) {
	if n.guid == [16]byte{} {
		return r.SchemaByID(context.Background(), n.id)
	}
	return r.SchemaByGUID(context.Background(), n.guid)
}
