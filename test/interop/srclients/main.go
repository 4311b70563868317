// Command srclients judges a schema registry with Go's registry clients: franz-go's sr, and Confluent's own with its
// serializers. It prints "ok NAME" or "FAIL NAME: why" for each check.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/avrov2"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/jsonschema"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/serde/protobuf"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/apipb"
)

var failed bool

func check(name string, f func() error) {
	if err := f(); err != nil {
		failed = true
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Println("ok " + name)
}

func equal(got, want any) error {
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

const (
	first  = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"ID","type":"long"}]}`
	second = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"ID","type":"long"},{"name":"Note","type":"string","default":""}]}`
	wrong  = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"ID","type":"string"}]}`
)

func main() {
	franz(os.Args[1])
	confluent(os.Args[1])
	if failed {
		os.Exit(1)
	}
}

func franz(url string) {
	ctx := context.Background()
	c, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		fmt.Println("FAIL franz-go client:", err)
		failed = true
		return
	}
	var one sr.SubjectSchema
	check("franz-go registers, and again with the same id", func() (err error) {
		if one, err = c.CreateSchema(ctx, "franz-value", sr.Schema{Schema: first}); err != nil {
			return err
		}
		again, err := c.CreateSchema(ctx, "franz-value", sr.Schema{Schema: first})
		return errors.Join(err, equal([2]int{again.ID, again.Version}, [2]int{one.ID, 1}))
	})
	check("franz-go looks schemas up", func() error {
		byID, err := c.SchemaByID(ctx, one.ID)
		latest, err2 := c.SchemaByVersion(ctx, "franz-value", -1)
		found, err3 := c.LookupSchema(ctx, "franz-value", sr.Schema{Schema: first})
		usage, err4 := c.SchemaUsagesByID(ctx, one.ID)
		return errors.Join(err, err2, err3, err4, equal(byID.Schema, first), equal(latest.ID, one.ID), equal(found.Version, 1), equal(len(usage), 1))
	})
	check("franz-go checks compatibility", func() error {
		good, err := c.CheckCompatibility(ctx, "franz-value", -1, sr.Schema{Schema: second})
		bad, err2 := c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), "franz-value", -1, sr.Schema{Schema: wrong})
		if err := errors.Join(err, err2, equal(good.Is, true), equal(bad.Is, false)); err != nil {
			return err
		}
		if len(bad.Messages) == 0 {
			return errors.New("no message says why")
		}
		var refused *sr.ResponseError
		if _, err = c.CreateSchema(ctx, "franz-value", sr.Schema{Schema: wrong}); !errors.As(err, &refused) {
			return fmt.Errorf("an incompatible schema: %w", err)
		}
		return equal(refused.StatusCode, 409)
	})
	check("franz-go sets levels and modes", func() error {
		set := c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatFullTransitive}, "franz-value")
		got := c.Compatibility(ctx, "franz-value")
		mode := c.SetMode(ctx, sr.ModeReadOnly, "franz-value")
		_, refused := c.CreateSchema(ctx, "franz-value", sr.Schema{Schema: second})
		reset := c.ResetMode(ctx, "franz-value")
		if refused == nil {
			return errors.New("a read-only subject takes a schema")
		}
		return errors.Join(set[0].Err, got[0].Err, mode[0].Err, reset[0].Err, equal(got[0].Level, sr.CompatFullTransitive))
	})
	check("franz-go uses references", func() error {
		base, err := c.CreateSchema(ctx, "franz-common", sr.Schema{Type: sr.TypeProtobuf, Schema: "syntax = \"proto3\";\npackage shop;\nmessage Money { int64 cents = 1; }\n"})
		if err != nil {
			return err
		}
		_, err = c.CreateSchema(ctx, "franz-proto", sr.Schema{Type: sr.TypeProtobuf,
			Schema:     "syntax = \"proto3\";\nimport \"common.proto\";\nmessage Bill { shop.Money total = 1; }\n",
			References: []sr.SchemaReference{{Name: "common.proto", Subject: "franz-common", Version: base.Version}}})
		if err != nil {
			return err
		}
		by, err := c.SchemaReferences(ctx, "franz-common", 1)
		if err != nil || len(by) != 1 {
			return fmt.Errorf("%d schemas refer to it: %w", len(by), err)
		}
		if _, err = c.DeleteSubject(ctx, "franz-common", sr.SoftDelete); err == nil {
			return errors.New("a subject that others refer to is deleted")
		}
		return nil
	})
	check("franz-go's Serde", func() error {
		var s sr.Serde
		type order struct{ ID int64 }
		s.Register(one.ID, order{}, sr.EncodeFn(func(v any) ([]byte, error) { return []byte{byte(v.(order).ID)}, nil }),
			sr.DecodeFn(func(b []byte, v any) error { v.(*order).ID = int64(b[0]); return nil }))
		data, err := s.Encode(order{7})
		if err != nil {
			return err
		}
		var back order
		return errors.Join(s.Decode(data, &back), equal(back.ID, int64(7)))
	})
	check("franz-go deletes softly and for good", func() error {
		soft, err := c.DeleteSubject(ctx, "franz-value", sr.SoftDelete)
		hard, err2 := c.DeleteSubject(ctx, "franz-value", sr.HardDelete)
		_, gone := c.SchemaByVersion(ctx, "franz-value", 1)
		if gone == nil {
			return errors.New("it is still there")
		}
		return errors.Join(err, err2, equal(soft, []int{1}), equal(hard, []int{1}))
	})
}

type order struct {
	ID   int64  `json:"ID"`
	Note string `json:"Note"`
}

func confluent(url string) {
	c, err := schemaregistry.NewClient(schemaregistry.NewConfig(url))
	if err != nil {
		fmt.Println("FAIL confluent client:", err)
		failed = true
		return
	}
	check("confluent-kafka-go registers and looks up", func() error {
		id, err := c.Register("go-value", schemaregistry.SchemaInfo{Schema: first}, true)
		same, err2 := c.GetID("go-value", schemaregistry.SchemaInfo{Schema: first}, true)
		latest, err3 := c.GetLatestSchemaMetadata("go-value")
		versions, err4 := c.GetAllVersions("go-value")
		return errors.Join(err, err2, err3, err4, equal(same, id), equal(latest.ID, id), equal(versions, []int{1}))
	})
	check("confluent-kafka-go checks compatibility and configs", func() error {
		good, err := c.TestCompatibility("go-value", 1, schemaregistry.SchemaInfo{Schema: second})
		bad, err2 := c.TestCompatibility("go-value", 1, schemaregistry.SchemaInfo{Schema: wrong})
		_, err3 := c.UpdateCompatibility("go-value", schemaregistry.Full)
		level, err4 := c.GetCompatibility("go-value")
		return errors.Join(err, err2, err3, err4, equal(good, true), equal(bad, false), equal(level == schemaregistry.Full, true))
	})
	check("confluent-kafka-go keeps metadata and rules", func() error {
		info := schemaregistry.SchemaInfo{
			Schema: second, Metadata: &schemaregistry.Metadata{Properties: map[string]string{"owner": "shop"}},
			RuleSet: &schemaregistry.RuleSet{DomainRules: []schemaregistry.Rule{{Name: "short", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "size(message.Note) < 9"}}},
		}
		if _, err := c.Register("go-rules", info, false); err != nil {
			return err
		}
		got, err := c.GetLatestSchemaMetadata("go-rules")
		if err != nil {
			return err
		}
		if got.Metadata == nil || got.RuleSet == nil || len(got.RuleSet.DomainRules) != 1 {
			return fmt.Errorf("metadata %v, rules %v", got.Metadata, got.RuleSet)
		}
		return equal(got.Metadata.Properties["owner"], "shop")
	})
	check("Confluent's Avro serializer", func() error {
		s, err := avrov2.NewSerializer(c, serde.ValueSerde, avrov2.NewSerializerConfig())
		if err != nil {
			return err
		}
		data, err := s.Serialize("avro-orders", &order{7, "x"})
		if err != nil {
			return err
		}
		d, err := avrov2.NewDeserializer(c, serde.ValueSerde, avrov2.NewDeserializerConfig())
		if err != nil {
			return err
		}
		var back order
		return errors.Join(d.DeserializeInto("avro-orders", data, &back), equal(back, order{7, "x"}))
	})
	check("Confluent's JSON Schema serializer", func() error {
		s, err := jsonschema.NewSerializer(c, serde.ValueSerde, jsonschema.NewSerializerConfig())
		if err != nil {
			return err
		}
		data, err := s.Serialize("json-orders", &order{7, "x"})
		if err != nil {
			return err
		}
		d, err := jsonschema.NewDeserializer(c, serde.ValueSerde, jsonschema.NewDeserializerConfig())
		if err != nil {
			return err
		}
		var back order
		return errors.Join(d.DeserializeInto("json-orders", data, &back), equal(back, order{7, "x"}))
	})
	check("Confluent's Protobuf serializer, with imports and a nested path", func() error {
		s, err := protobuf.NewSerializer(c, serde.ValueSerde, protobuf.NewSerializerConfig())
		if err != nil {
			return err
		}
		sent := &apipb.Method{Name: "get", RequestTypeUrl: "a"}
		data, err := s.Serialize("proto-orders", sent)
		if err != nil {
			return err
		}
		d, err := protobuf.NewDeserializer(c, serde.ValueSerde, protobuf.NewDeserializerConfig())
		if err != nil {
			return err
		}
		if err := d.ProtoRegistry.RegisterMessage(sent.ProtoReflect().Type()); err != nil {
			return err
		}
		back, err := d.Deserialize("proto-orders", data)
		if err != nil {
			return err
		}
		if got, ok := back.(*apipb.Method); !ok || !proto.Equal(got, sent) {
			return fmt.Errorf("got %v", back)
		}
		return nil
	})
}
