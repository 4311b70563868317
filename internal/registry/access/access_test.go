package access

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// annsHash is the password "secret".
func rulesText(t testing.TB) string {
	t.Helper()
	hash, err := HashPassword("secret")
	if err != nil {
		t.Fatal(err)
	}
	return "# who may do what\nuser ann " + hash + "\nuser bob " + hash + "\ntoken ci " + HashToken("machine") + `
role ann  admin *
role ci   write orders-* /^pay-(in|out)$/
role bob  read  only
role *    read  shared-*
role anonymous read public-*
`
}

func TestWho(t *testing.T) {
	rules, err := ParseRules(rulesText(t))
	if err != nil {
		t.Fatal(err)
	}
	verify := func(_ context.Context, token string) (string, error) {
		if token == "signed" {
			return "jwt-user", nil
		}
		return "", errors.New("bad signature")
	}
	c := New(rules, verify, "", slog.New(slog.DiscardHandler))
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, k := range []struct{ header, want string }{
		{"", Anonymous},
		{basic("ann:secret"), "ann"},
		{basic("ann:secret"), "ann"}, // the second time without bcrypt
		{basic("ann:Secret"), ""},
		{basic("ann:" + strings.Repeat("s", 73)), ""},
		{basic("eve:secret"), ""},
		{basic("ann"), ""},
		{"Basic !", ""},
		{"Bearer machine", "ci"},
		{"bearer machine", "ci"},
		{"Bearer signed", "jwt-user"},
		{"Bearer ", ""},
		{"Bearer other", ""},
		{"Digest x", ""},
	} {
		var got string
		api := c.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = Principal(r) }))
		r := httptest.NewRequest(http.MethodGet, "/subjects", nil)
		if k.header != "" {
			r.Header.Set("Authorization", k.header)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if got != k.want {
			t.Errorf("%q: %q, want %q", k.header, got, k.want)
		}
		if k.want == "" && (w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") != `Basic realm="schema-registry"` || w.Body.String() != `{"error_code":401,"message":"Unauthorized"}`) {
			t.Errorf("%q: %d %v %s", k.header, w.Code, w.Header(), w.Body)
		}
	}
	c.Set(&Rules{})
	if _, err := c.who(httptest.NewRequest(http.MethodGet, "/", nil)); err == nil {
		t.Error("without a role for it, anonymous gets in")
	}
}

func TestAllow(t *testing.T) {
	rules, err := ParseRules(rulesText(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		who, subject string
		most         Role
	}{
		{"ann", "any", Admin}, {"ann", "", Admin}, {"ann", ":.c:s", Admin},
		{"ci", "orders-value", Write}, {"ci", "orders", 0}, {"ci", "pay-in", Write}, {"ci", "pay-inx", 0}, {"ci", "", 0},
		{"bob", "only", Read}, {"bob", "only2", 0}, {"bob", "shared-x", Read}, {"bob", "public-x", 0},
		{Anonymous, "public-x", Read}, {Anonymous, "shared-x", 0}, {"nobody", "shared-x", Read},
	} {
		for need := Read; need <= Admin; need++ {
			if got := rules.allow(k.who, k.subject, need); got != (need <= k.most) {
				t.Errorf("%s, %q, role %d: %v", k.who, k.subject, need, got)
			}
		}
	}
}

// Settings are for administrators, whatever the path looks like.
func TestAdministers(t *testing.T) {
	for path, want := range map[string]bool{
		"/config": true, "/config/s": true, "/mode/": true, "/contexts/.c": true, "/contexts/.c/config/s": true, "//mode": true,
		"/subjects/config": false, "/subjects/s/versions": false, "/contexts/.c/subjects/config": false, "/": false,
	} {
		if got := administers(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestRulesFaults(t *testing.T) {
	for text, want := range map[string]string{
		"user ann secret":                        "not a hash of bcrypt",
		"user a:b $2a$10$x":                      "colon",
		"token ci machine":                       "not sha256:",
		"role ann owner *":                       "none of read, write, admin",
		"role ann read":                          "begins with \"role\"",
		"role ann read /(/":                      "not a regular expression",
		"\n\nwho knows":                          "line 3",
		strings.Repeat(" ", rulesBytesMax+1):     "at most",
		strings.Repeat("role a read b\n", 1e4+1): "more than",
	} {
		if _, err := ParseRules(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func FuzzRules(f *testing.F) {
	f.Add("user ann $2a$10$7EqJtq98hPqEX7fNZaFWoOhi5ea9qzRG6dcmyL1hYQ8QpWNyS1Q2K\nrole ann read /a+/ b* c # d")
	f.Add("token x sha256:00\nrole * admin *")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseRules(text)
		if err != nil {
			return
		}
		if rules.allow(Anonymous, "s", Read) && !rules.names(Anonymous) {
			t.Errorf("%q lets strangers in", text)
		}
	})
}
