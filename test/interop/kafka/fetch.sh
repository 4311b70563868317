#!/usr/bin/env bash
# Copies the jars of Apache Kafka (broker, clients, tools) into a cache and prints the folder.
# Needs mvn and a JDK or JRE. Does nothing when the cache is complete.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$here/pom.xml")
lib=${LEAT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/leat}/kafka-$version
sum=$(cksum <"$here/pom.xml")
if [ "$(cat "$lib/.complete" 2>/dev/null)" != "$sum" ]; then
  command -v mvn >/dev/null || { echo "mvn is not installed (Debian: apt-get install maven)" >&2; exit 1; }
  rm -rf "$lib.part" && mkdir -p "$lib.part"
  # Maven Central refuses a request now and then: three tries.
  for try in 1 2 3; do
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$lib.part" </dev/null >&2 && break
    [ "$try" = 3 ] && { echo "could not fetch Apache Kafka from Maven Central" >&2; exit 1; }
  done
  echo "$sum" >"$lib.part/.complete" && rm -rf "$lib" && mv "$lib.part" "$lib"
fi
echo "$lib"
