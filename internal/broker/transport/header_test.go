package transport

import "testing"

// FuzzHeader: whatever stands in a request header, the body is what is left of the frame, and nothing is read beyond it.
func FuzzHeader(f *testing.F) {
	f.Add([]byte{0, 4, 't', 'e', 's', 't', 'b', 'o', 'd', 'y'}, false)
	f.Add([]byte{0xff, 0xff, 0, 'b'}, true)
	f.Add([]byte{0, 1, 'x', 2, 0, 1, 'a', 5, 2, 'b', 'c', 'b', 'o', 'd', 'y'}, true)
	f.Add([]byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, true)
	f.Fuzz(func(t *testing.T, b []byte, flexible bool) {
		id, body, err := splitHeader(b, flexible)
		if err != nil {
			return
		}
		if len(id)+len(body)+2 > len(b) {
			t.Fatalf("%d bytes of id and %d of body out of %d", len(id), len(body), len(b))
		}
		if len(body) > 0 && &body[len(body)-1] != &b[len(b)-1] {
			t.Fatal("the body does not end with the frame")
		}
	})
}
