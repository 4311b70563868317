// Package sim holds simulations: a part of Leat driven by a seed against a
// model, on a simulated disk and clock. A failure prints its seed;
// LEAT_SIM_SEED runs that one alone, LEAT_SIM_SEEDS says how many to run.
package sim
