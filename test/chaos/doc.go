// Package chaos kills brokers under load and checks what clients were promised.
//
// A broker runs as a child process and dies by SIGKILL at random moments while producers, group members and
// readers go on. Afterwards the log is compared with what was acknowledged: nothing lost, nothing doubled,
// nothing out of order, no committed offset gone back. Histories of single operations are checked for
// linearizability against a model of a log. A disk of a few megabytes is filled until writes fail.
//
// An attacker's client does what strangers and ill-meaning users can do, beside one that does nothing wrong, and prints
// what it cost the broker and that client. LEAT_CHAOS_ATTACK names one attack of attack_test.go.
//
// SIGKILL leaves the operating system's cache in place, so these tests say nothing about power cuts; those are
// simulated in test/sim.
//
// The tests run by `make chaos` (LEAT_CHAOS=1). LEAT_CHAOS_SECONDS sets how long each load lasts,
// LEAT_CHAOS_SEED repeats a run's decisions, LEAT_CHAOS_BROKER=kafka runs them against Apache Kafka.
package chaos
