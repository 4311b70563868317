package broker

// compatRegistry is the page's part on the schema registry, which is no part of the broker but of the same program.
const compatRegistry = `
## The schema registry

Confluent's HTTP API of 8.0, with what later versions added where it is named; 7.x clients read it as well. Recorded sessions of
Confluent 8.0.2 are replayed by a test.

| Path | Served |
|---|---|
| / , /schemas/types | GET |
| /subjects, /subjects/{s} | GET; POST (lookup), DELETE |
| /subjects/{s}/versions, /subjects/{s}/versions/{v} | GET, POST (register); GET, DELETE |
| /subjects/{s}/versions/{v}/schema, …/referencedby, /subjects/{s}/metadata | GET |
| /schemas, /schemas/ids/{id}, …/schema, …/subjects, …/versions, /schemas/guids/{guid}, …/ids | GET |
| /compatibility/subjects/{s}/versions, …/{v} | POST |
| /config, /config/{s}, /mode, /mode/{s} | GET, PUT, DELETE (not /mode itself, as in 8.0) |
| /contexts, /contexts/{c}, /contexts/{c}/… before any of the above | GET; DELETE |
| /v1/metadata/id, /v1/metadata/version | GET |
| /healthz, /readyz, /metrics | GET; Leat's own |

Not served: associations (8.2), the registry of encryption keys (/dek-registry), tags of the commercial edition, and
/v1/metadata/deployment: 404. Rule sets are kept and returned, and carried out by clients.

Differences from Confluent 8.0.2:

- An incompatible schema has error_code 40901, as from 8.2 on, where 8.0 has 409; the status is 409 in both.
- The mode FORWARD and the setting compatibilityPolicy, which came after 8.0.2, are known.
- A body that is no JSON is refused with our own words (400), where there the text is that of a Java library; a path that
  cannot be taken apart has a shorter page of HTML.
- The guid in an answer with ?format=serialized is that of the stored schema, there of the text as it is shown.
- The default of a bytes field in proto2 is printed with its quotes; 8.0.2 leaves them out and then refuses its own text.
- A reference whose name is empty does not make later registrations of the same subject fail.
- Texts of schemas, their limits and the few checks that differ: [schema-texts](formats/schema-texts.md).
- References by URL (` + "`$ref`" + ` to http) are never fetched by the server.
- Rule sets are kept, where the free edition drops them.
- Its internal errors (500) over bad input are refusals of their kind (400, 404, 422).
- A subject in the context * is refused, as it makes every later lookup fail there.
- A write waits up to 5 s for the topic and for a leader (--store-timeout), there 500 ms and not at all.
- Ids are not given out again after their last record was compacted away.
- Exactly one registry writes, also while leaders change: see [ADR 9](adr/0009-registry-leader.md).

## Formats of rows

The eight formats of ksqlDB, both ways, by its rules. What each type becomes, and what differs on purpose:
[row-formats](formats/row-formats.md).
`
