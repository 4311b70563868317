// Package oracle holds package streams against Kafka Streams 4.3.1: the same programs in Java on its TopologyTestDriver
// and here on streamstest are fed the same random inputs, and everything that can be seen afterwards is compared: output
// records with their times and headers, the contents of stores, dropped records, and what is written to repartition topics
// and changelogs.
//
// java/ has the programs in Java and a process that answers requests on its standard input; programs_*.go has them in Go,
// under the same names. Generated inputs depend on a seed and the program only. Answers of Java for some hundred inputs are
// recorded in testdata, so that the ordinary tests need no JVM; with one, TestLive compares as many as it is told. On a
// difference the input is made as short as it gets and both answers are printed beside it. What is different on purpose is
// in known.go, with the reason.
//
// The package starts one child process with one goroutine that waits for it.
package oracle
