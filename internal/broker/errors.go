package broker

import "errors"

// errMalformed marks a request that cannot be decoded; its connection is closed without an answer.
var errMalformed = errors.New("malformed request")
