// Package quota decides how long a client has to wait that takes more than it may: rates over sliding windows, a token
// bucket for changes of the metadata, and the rules by which a user and a client id are matched with a limit. The
// arithmetic is Apache Kafka's to the millisecond (KIP-13, KIP-124, KIP-219, KIP-546, KIP-599, KIP-612), because
// clients see its results as throttle_time_ms; a recording made by Kafka's own classes is replayed in the tests.
//
// The package has no goroutine, clock or I/O: every call brings the time. What waits, and how, is the caller's
// business: transport mutes connections, the broker sets the field of the response.
//
// # Memory
//
// An entity that used a quota is remembered as long as it can matter and no longer: once it has been idle for the whole
// window its rate is zero again, and forgetting it changes nothing (a token bucket is kept for an hour, as in Kafka). Clients choose their client ids, so the number of
// entities remembered per kind of quota is bounded by MaxEntities; beyond it the one unused for longest is forgotten.
// That can only let a client have more, and only one that uses thousands of client ids within a few seconds, to which a
// quota by client id does not apply anyway.
package quota
