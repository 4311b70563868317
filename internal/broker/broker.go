package broker

import (
	"log/slog"
)

// Broker holds what handlers work on. Its fields are set once, before the first request, and never change.
type Broker struct {
	log *slog.Logger
}
