package streams

// builtinSerde gives the serde of Kafka's own bytes for a basic type: string, []byte, int16, int32, int64, float32,
// float64, bool, [16]byte and struct{}. Types that are only made of these (type ID string) have none.
func builtinSerde[T any]() (Serde[T], bool) {
	for _, s := range [...]any{String, Bytes, Int64, Int32, Float64, Bool, UUID, Int16, Float32, None} {
		if same, ok := s.(Serde[T]); ok {
			return same, true
		}
	}
	return nil, false
}
