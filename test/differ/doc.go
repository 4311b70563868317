// Package differ sends one list of requests to a broker and compares its answers, field by field, with those that
// Apache Kafka 4.3.1 gave to the same list.
//
// The list stands in testdata/scripts, one file an API or a flow of several; script.go says how to read them. A line
// `vary *` multiplies a request by edge and bad values of each of its fields, and every request is repeated in every
// version. Kafka's answers are facts we recorded, in testdata/kafka, so that a test can judge our broker without a JVM:
//
//	go test ./test/differ                                  our broker against the recorded answers
//	LEAT_DIFFER_KAFKA=1 go test ./test/differ              starts Apache Kafka too: are the recorded answers still its?
//	LEAT_DIFFER_KAFKA=1 go test ./test/differ -update      records them anew
//
// What differs by nature (ids, addresses, times) is replaced by its name; see normal.go. Differences that stay are
// listed with their reason in testdata/differences.txt, from which docs/compat.md is made. A difference that is not
// listed fails the test, as does a listed one that is gone, and an API version that no request covers.
//
// Requests go one after the other over one connection, so that both brokers see the same history. The package owns no
// goroutine. What several clients do at the same time is judged elsewhere: by the scripts of internal/coord.
package differ
