// Package share is the share coordinator as a state machine: what share groups have
// consumed of partitions, and its records in __share_group_state.
package share
