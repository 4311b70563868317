package streams

import (
	"reflect"
	"unsafe"
)

// nilTest tells whether T has a nil that means null (pointers, slices, maps, interfaces), and which values are it. Of
// struct{}, the type of None, the one value is null.
type nilTest[T any] struct{ nilable, always bool }

func newNilTest[T any]() nilTest[T] {
	if reflect.TypeFor[T]() == reflect.TypeFor[struct{}]() {
		return nilTest[T]{nilable: true, always: true}
	}
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return nilTest[T]{nilable: true}
	default:
		return nilTest[T]{}
	}
}

// null tells whether v is a nil that means null. The first word of all nilable kinds is zero in a nil and in nothing else.
func (t nilTest[T]) null(v *T) bool {
	return t.always || t.nilable && *(*unsafe.Pointer)(unsafe.Pointer(v)) == nil
}

// seen tells whether short forms of callbacks are called for a value: a null reaches them only as the nil of a nilable type.
func (t nilTest[T]) seen(null bool) bool { return !null || t.nilable }
