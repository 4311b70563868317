package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// Limits: of a schema text that is sent, and of an answer.
const (
	schemaBytesMax = 4 << 20
	answerBytesMax = 64 << 20
)

// mediaType is what the API speaks.
const mediaType = "application/vnd.schemaregistry.v1+json"

// remote is the registry that the flags name.
type remote struct {
	env   *command.Env
	base  string
	token string
}

// refusal is what the registry says instead of an answer.
type refusal struct {
	status  int
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string { return r.Message }

// The codes that commands look at.
const (
	subjectNotFound = 40401
	versionNotFound = 40402
	schemaNotFound  = 40403
	softDeleted     = 40404
	notDeletedYet   = 40405
	versionDeleted  = 40406
	versionNotYet   = 40407
	noConfig        = 40408
	noMode          = 40409
	invalidSchema   = 42201
	referenced      = 42206
)

// call asks the registry. Path segments have to be escaped already; into may be nil.
func (r *remote) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	client, login, err := r.env.HTTP(r.base)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	u, err := url.Parse(r.base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fault.Usage("--registry %q is not a URL", r.base).WithHint("for example --registry http://localhost:8081")
	}
	userinfo := u.User
	u.User = nil
	target := strings.TrimSuffix(u.String(), "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(data)
	}
	ctx, cancel := r.env.Deadline(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, in)
	if err != nil {
		return fault.Usage("--registry %q is not a URL", r.base)
	}
	req.Header.Set("Accept", mediaType+", application/json")
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	token := r.token
	if token == "" {
		token = r.env.Getenv("LEAT_REGISTRY_TOKEN")
	}
	switch {
	case token != "":
		req.Header.Set("Authorization", "Bearer "+token)
	case login != nil:
		req.SetBasicAuth(login.User, login.Password)
	case userinfo != nil:
		password, _ := userinfo.Password()
		req.SetBasicAuth(userinfo.Username(), password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return r.unreachable(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return r.unreachable(err)
	}
	if resp.StatusCode >= 300 {
		return r.refused(resp, data)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return r.notRegistry(resp, err)
	}
	return nil
}

func (r *remote) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return fault.Failed("interrupted: %w", err)
	}
	out := &fault.Error{Primary: "cannot reach the schema registry at " + r.shown(), Cause: err, Detail: err.Error()}
	if e, ok := errors.AsType[*url.Error](err); ok {
		out.Detail = e.Err.Error()
	}
	op, _ := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		out.Detail = "no answer within " + r.env.Timeout.String()
		out.Hint = "--timeout waits longer"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		out.Hint = "it is served without TLS: use http:// in --registry"
	case strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: "):
		out.Hint = "--tls-ca names the authority that signed the registry's certificate, --tls-cert and --tls-key yours"
	case op != nil:
		out.Detail = op.Err.Error()
		out.Hint = `"leat up" and "leat registry" run one; --registry URL or LEAT_REGISTRY say where it is`
	}
	return out
}

// shown is the URL without a password.
func (r *remote) shown() string {
	u, err := url.Parse(r.base)
	if err != nil {
		return r.base
	}
	return u.Redacted()
}

func (r *remote) notRegistry(resp *http.Response, err error) error {
	return (&fault.Error{Primary: "what answers at " + r.shown() + " is no schema registry", Cause: err,
		Detail: fmt.Sprintf("status %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))}).
		WithHint("check the port and the path of --registry")
}

func (r *remote) refused(resp *http.Response, data []byte) error {
	said := &refusal{status: resp.StatusCode}
	if err := json.Unmarshal(data, said); err != nil || said.Code == 0 {
		if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
			said.Code, said.Message = resp.StatusCode, http.StatusText(resp.StatusCode)
		} else {
			return r.notRegistry(resp, err)
		}
	}
	return said
}

// explain turns a refusal into an error for the person at the command line.
func (r *remote) explain(ctx context.Context, what, subject string, err error) error {
	said, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	e := &fault.Error{Primary: "cannot " + what, Detail: said.Message, Cause: said}
	switch {
	case said.status == http.StatusUnauthorized:
		e.Detail = "the registry at " + r.shown() + " does not accept these credentials"
		return e.WithHint("--user and --password, or --token, say who you are; LEAT_REGISTRY_USER, LEAT_REGISTRY_PASSWORD and LEAT_REGISTRY_TOKEN do as well")
	case said.status == http.StatusForbidden:
		return e.WithHint("your role at the registry does not allow this")
	case said.Code == subjectNotFound:
		e.Primary, e.Detail = `unknown subject "`+subject+`"`, ""
		return e.WithHint("%s", fault.DidYouMean(subject, r.subjects(ctx), `"leat schema list" shows the subjects`))
	case said.Code == versionNotFound:
		return e.WithHint(`"leat schema list %s" shows the versions`, subject)
	case said.Code == softDeleted, said.Code == versionDeleted:
		return e.WithHint("--permanent removes what was deleted before for good")
	case said.Code == notDeletedYet, said.Code == versionNotYet:
		return e.WithHint("delete it without --permanent first")
	case said.Code == referenced:
		return e.WithHint("other schemas refer to it: delete those first")
	case said.status == http.StatusConflict:
		return e.WithHint(`"leat schema check %s FILE" shows what is incompatible, "leat schema config %s" the level that is asked for`, subject, subject)
	case said.Code == invalidSchema:
		return e.WithHint("--type says whether it is avro, json or protobuf; --reference NAME=SUBJECT:VERSION names what it refers to")
	}
	return e
}

// subjects are the names of all subjects, for proposals.
func (r *remote) subjects(ctx context.Context) []string {
	var names []string
	if err := r.call(ctx, http.MethodGet, "/subjects", nil, nil, &names); err != nil {
		return nil
	}
	return names
}

// completeSubjects proposes names of subjects for the first argument.
func (r *remote) completeSubjects(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault // a file, where one is taken
	}
	names := slices.DeleteFunc(r.subjects(cmd.Context()), func(n string) bool { return !strings.HasPrefix(n, typed) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// subjectPath is the path of a subject.
func subjectPath(subject string) string { return "/subjects/" + url.PathEscape(subject) }

func readLimited(from io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, schemaBytesMax+1))
	if err != nil {
		return nil, cannotRead(name, err)
	}
	if len(data) > schemaBytesMax {
		return nil, fault.Usage("%s is larger than %d bytes: no registry takes that", name, schemaBytesMax)
	}
	return data, nil
}

func cannotRead(name string, err error) error {
	return fault.Usage("cannot read the schema").WithDetail("%v", err).WithHint("the argument is a file, or - for standard input")
}
