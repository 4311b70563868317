package main

import (
	"fmt"

	"leat.dev/internal/row"
)

// records is how many different records each subject has.
const records = 512

// reading is the record of JSON and Protobuf: a sensor's, some 250 bytes as JSON.
type reading struct {
	ID          int64    `json:"ID"`
	Device      string   `json:"DEVICE"`
	Site        string   `json:"SITE"`
	Temperature float64  `json:"TEMPERATURE"`
	Humidity    float64  `json:"HUMIDITY"`
	Ok          bool     `json:"OK"`
	At          int64    `json:"AT"`
	Retries     int32    `json:"RETRIES"`
	Note        string   `json:"NOTE"`
	Tags        []string `json:"TAGS"`
	Place       struct {
		Lat float64 `json:"LAT"`
		Lon float64 `json:"LON"`
	} `json:"PLACE"`
}

var readingColumns = []row.Column{
	{Name: "ID", Type: row.BigintType},
	{Name: "DEVICE", Type: row.StringType},
	{Name: "SITE", Type: row.StringType},
	{Name: "TEMPERATURE", Type: row.DoubleType},
	{Name: "HUMIDITY", Type: row.DoubleType},
	{Name: "OK", Type: row.BooleanType},
	{Name: "AT", Type: row.BigintType},
	{Name: "RETRIES", Type: row.IntegerType},
	{Name: "NOTE", Type: row.StringType},
	{Name: "TAGS", Type: row.ArrayType(row.StringType)},
	{Name: "PLACE", Type: row.StructType(row.Field{Name: "LAT", Type: row.DoubleType}, row.Field{Name: "LON", Type: row.DoubleType})},
}

func makeReading(i int) reading {
	r := reading{
		ID: int64(i) * 7_919, Device: fmt.Sprintf("sensor-%05d", i*37%10_000), Site: "Rotterdam Maasvlakte 2",
		Temperature: 15 + float64(i%200)/10, Humidity: float64(i*7919%10_000) / 100, Ok: i%3 != 0,
		At: 1_700_000_000_000 + int64(i)*997, Retries: int32(i % 5), Note: "within limits, next check in an hour",
		Tags: []string{"indoor", "calibrated", "v2"},
	}
	r.Place.Lat, r.Place.Lon = 51.9+float64(i)/10_000, 4.03+float64(i)/7_000
	return r
}

func (r reading) row() row.Row {
	return row.Row{
		row.OfLong(r.ID), row.OfString(r.Device), row.OfString(r.Site), row.OfDouble(r.Temperature), row.OfDouble(r.Humidity), row.OfBool(r.Ok),
		row.OfLong(r.At), row.OfInt(r.Retries), row.OfString(r.Note),
		row.OfArray([]row.Value{row.OfString(r.Tags[0]), row.OfString(r.Tags[1]), row.OfString(r.Tags[2])}),
		row.OfStruct([]row.Value{row.OfDouble(r.Place.Lat), row.OfDouble(r.Place.Lon)}),
	}
}

// order is the record of Avro: some 100 bytes with the registry's prefix.
type order struct {
	ID       *int64   `avro:"ID"`
	Customer *string  `avro:"CUSTOMER"`
	Item     *string  `avro:"ITEM"`
	Units    *int32   `avro:"UNITS"`
	Price    *float64 `avro:"PRICE"`
	Paid     *bool    `avro:"PAID"`
	At       *int64   `avro:"AT"`
	City     *string  `avro:"CITY"`
}

var orderColumns = []row.Column{
	{Name: "ID", Type: row.BigintType},
	{Name: "CUSTOMER", Type: row.StringType},
	{Name: "ITEM", Type: row.StringType},
	{Name: "UNITS", Type: row.IntegerType},
	{Name: "PRICE", Type: row.DoubleType},
	{Name: "PAID", Type: row.BooleanType},
	{Name: "AT", Type: row.BigintType},
	{Name: "CITY", Type: row.StringType},
}

func orderRow(i int) row.Row {
	return row.Row{
		row.OfLong(int64(i) * 1_000_003), row.OfString(fmt.Sprintf("customer-%08d", i*7919)), row.OfString("galvanised hinge, 80 mm, left"),
		row.OfInt(int32(i % 40)), row.OfDouble(float64(i) * 1.25), row.OfBool(i%2 == 0), row.OfLong(1_700_000_000_000 + int64(i)), row.OfString("'s-Hertogenbosch"),
	}
}
