"""Confluent's Python serializers against a schema registry, with records that go through the broker.

usage: schema_job.py BROKER REGISTRY
"""
import sys
import uuid

from checks import check, equal, finish
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

BROKER, REGISTRY = sys.argv[1], sys.argv[2]
registry = SchemaRegistryClient({"url": REGISTRY})
ORDER = '{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":["null","string"],"default":null}]}'
NEWER = '{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":["null","string"],"default":null},{"name":"paid","type":"boolean","default":false}]}'
WRONG = '{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"string"}]}'
JSON_ORDER = '{"$schema":"http://json-schema.org/draft-07/schema#","title":"Order","type":"object","properties":{"id":{"type":"integer"},"note":{"type":"string"}},"required":["id"]}'


def reader():
    """A client that has cached nothing: the one that registers keeps the text of the answer, whatever format is asked for later."""
    return SchemaRegistryClient({"url": REGISTRY})


def through(topic, data):
    """Produces a value and returns it as it is consumed."""
    p = Producer({"bootstrap.servers": BROKER})
    p.produce(topic, data)
    equal(p.flush(30), 0, "left to send")
    c = Consumer({"bootstrap.servers": BROKER, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest"})
    c.subscribe([topic])
    try:
        for _ in range(60):
            m = c.poll(1)
            if m is not None and m.error() is None:
                return m.value()
        raise AssertionError("nothing comes back")
    finally:
        c.close()


def context(topic):
    return SerializationContext(topic, MessageField.VALUE)


def avro():
    ctx = context("py-avro")
    data = AvroSerializer(registry, ORDER)({"id": 7, "note": "x"}, ctx)
    equal(data[0], 0, "magic byte")
    back = through("py-avro", data)
    equal(AvroDeserializer(reader())(back, ctx), {"id": 7, "note": "x"})
    # Reading with a newer schema fills in its default.
    equal(AvroDeserializer(reader(), NEWER)(back, ctx), {"id": 7, "note": "x", "paid": False})


def json():
    ctx = context("py-json")
    data = JSONSerializer(JSON_ORDER, registry)({"id": 7, "note": "x"}, ctx)
    equal(JSONDeserializer(JSON_ORDER, schema_registry_client=reader())(through("py-json", data), ctx), {"id": 7, "note": "x"})
    try:
        JSONSerializer(JSON_ORDER, registry)({"note": "x"}, ctx)
    except Exception:
        return
    raise AssertionError("a record without the field that is required is written")


def messages():
    """A file with a nested message that imports another one, made without protoc."""
    common = descriptor_pb2.FileDescriptorProto(name="py_common.proto", package="shop", syntax="proto3")
    money = common.message_type.add(name="Money")
    money.field.add(name="cents", number=1, type=3, label=1)
    orders = descriptor_pb2.FileDescriptorProto(name="py_orders.proto", package="shop", syntax="proto3", dependency=["py_common.proto"])
    orders.message_type.add(name="Unused")
    order = orders.message_type.add(name="Order")
    order.field.add(name="id", number=1, type=3, label=1)
    order.field.add(name="total", number=2, type=11, label=1, type_name=".shop.Money")
    order.nested_type.add(name="Line").field.add(name="text", number=1, type=9, label=1)
    pool = descriptor_pool.Default()
    pool.Add(common)
    pool.Add(orders)
    get = lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
    return get("shop.Order"), get("shop.Order.Line"), get("shop.Money")


def protobuf():
    order, line, money = messages()
    ctx = context("py-proto")
    sent = order(id=7, total=money(cents=5))
    data = ProtobufSerializer(order, registry, {"use.deprecated.format": False})(sent, ctx)
    back = ProtobufDeserializer(order, {"use.deprecated.format": False}, reader())(through("py-proto", data), ctx)
    equal(back, sent)
    nested = context("py-proto-nested")
    data = ProtobufSerializer(line, registry, {"use.deprecated.format": False})(line(text="x"), nested)
    equal(ProtobufDeserializer(line, {"use.deprecated.format": False}, reader())(data, nested).text, "x")


def client():
    first = registry.register_schema("py-value", Schema(ORDER, "AVRO"))
    equal(registry.register_schema("py-value", Schema(ORDER, "AVRO")), first, "id")
    equal(registry.test_compatibility("py-value", Schema(NEWER, "AVRO")), True)
    equal(registry.test_compatibility("py-value", Schema(WRONG, "AVRO")), False)
    try:
        registry.register_schema("py-value", Schema(WRONG, "AVRO"))
        raise AssertionError("an incompatible schema is taken")
    except SchemaRegistryError as e:
        equal(e.http_status_code, 409)
    second = registry.register_schema("py-value", Schema(NEWER, "AVRO"))
    equal(registry.get_versions("py-value"), [1, 2])
    equal(registry.get_latest_version("py-value").schema_id, second)
    equal(registry.lookup_schema("py-value", Schema(ORDER, "AVRO")).version, 1)
    equal(registry.get_schema(first).schema_str, ORDER)
    registry.set_compatibility("py-value", level="NONE")
    equal(registry.get_compatibility("py-value"), "NONE")
    equal(registry.delete_version("py-value", 1), 1)
    equal(registry.delete_subject("py-value"), [2])
    equal(sorted(registry.delete_subject("py-value", permanent=True)), [1, 2])
    try:
        reader().get_latest_version("py-value")
        raise AssertionError("it is still there")
    except SchemaRegistryError as e:
        equal(e.error_code, 40401)


def references():
    registry.register_schema("py-money", Schema('{"type":"record","name":"Money","namespace":"shop","fields":[{"name":"cents","type":"long"}]}', "AVRO"))
    bill = Schema('{"type":"record","name":"Bill","namespace":"shop","fields":[{"name":"total","type":"shop.Money"}]}', "AVRO", [SchemaReference("shop.Money", "py-money", 1)])
    ctx = context("py-bill")
    data = AvroSerializer(registry, bill)({"total": {"cents": 3}}, ctx)
    equal(AvroDeserializer(reader(), bill)(data, ctx), {"total": {"cents": 3}})


check("Confluent's Python client: every call", client)
check("Avro serializer, schema resolution", avro)
check("JSON Schema serializer, validation", json)
check("Protobuf serializer, imports, nested messages", protobuf)
check("Avro with references", references)
finish()
