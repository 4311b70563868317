package registry

import "testing"

// What clients choose does not become a label.
func TestPathLabel(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/subjects": "/subjects", "/subjects/orders": "/subjects/{}", "/subjects/versions/versions/1/schema": "/subjects/{}/versions/{}/schema",
		"/schemas/ids/7": "/schemas/ids/{}", "/compatibility/subjects/s/versions/latest": "/compatibility/subjects/{}/versions/{}",
		"/contexts/.c/subjects/s": "/subjects/{}", "/wp-login.php": "other", "/subjects/a/b": "other", "/v1/metadata/id": "/v1/metadata/id",
		"/subjects/a/versions/1/referencedby/": "/subjects/{}/versions/{}/referencedby", "/config/s": "/config/{}", "/1/2/3/4/5/6/7/8/9": "other", "/versions/1": "other", "/config/a/versions/1": "other", "//subjects//": "/subjects",
	} {
		if got := pathLabel(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
