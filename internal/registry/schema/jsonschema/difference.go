package jsonschema

import (
	"fmt"
	"strings"

	"leat.dev/internal/registry/schema/source"
)

// A Difference is one way in which a new schema differs from an old one.
type Difference struct {
	Type string // Confluent's name for it, such as TYPE_CHANGED
	path *source.Path
}

// Path is where, such as #/properties/a/maxLength; the root is #/.
func (d Difference) Path() string {
	if d.path == nil {
		return "#/"
	}
	return "#" + d.path.String()
}

// tooLarge is the type of the one difference of a comparison that was given up.
const tooLarge = "COMPARISON_TOO_LARGE"

// compatible are the differences after which the new schema still takes all data of the old one.
var compatible = words(`ID_CHANGED DESCRIPTION_CHANGED TITLE_CHANGED DEFAULT_CHANGED SCHEMA_REMOVED TYPE_EXTENDED
	MAX_LENGTH_INCREASED MAX_LENGTH_REMOVED MIN_LENGTH_DECREASED MIN_LENGTH_REMOVED PATTERN_REMOVED
	MAXIMUM_INCREASED MAXIMUM_REMOVED MINIMUM_DECREASED MINIMUM_REMOVED
	EXCLUSIVE_MAXIMUM_INCREASED EXCLUSIVE_MAXIMUM_REMOVED EXCLUSIVE_MINIMUM_DECREASED EXCLUSIVE_MINIMUM_REMOVED
	MULTIPLE_OF_REDUCED MULTIPLE_OF_REMOVED REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED REQUIRED_ATTRIBUTE_REMOVED
	MAX_PROPERTIES_INCREASED MAX_PROPERTIES_REMOVED MIN_PROPERTIES_DECREASED MIN_PROPERTIES_REMOVED
	DEPENDENCY_ARRAY_NARROWED DEPENDENCY_ARRAY_REMOVED DEPENDENCY_SCHEMA_REMOVED
	ADDITIONAL_PROPERTIES_ADDED ADDITIONAL_PROPERTIES_EXTENDED ADDITIONAL_ITEMS_ADDED ADDITIONAL_ITEMS_EXTENDED
	PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL
	OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL
	PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
	PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL MAX_ITEMS_INCREASED MAX_ITEMS_REMOVED
	MIN_ITEMS_DECREASED MIN_ITEMS_REMOVED UNIQUE_ITEMS_REMOVED ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL
	ITEM_ADDED_TO_CLOSED_CONTENT_MODEL ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL
	ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
	ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL ENUM_ARRAY_EXTENDED COMBINED_TYPE_EXTENDED
	PRODUCT_TYPE_NARROWED SUM_TYPE_EXTENDED NOT_TYPE_NARROWED`)

// lenient are those that the policy LENIENT adds, beside optional properties added to an open content model.
var lenient = words(`ADDITIONAL_PROPERTIES_NARROWED ADDITIONAL_PROPERTIES_REMOVED PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL
	PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL`)

const addedToOpen = "PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL"

func words(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(text) {
		m[w] = true
	}
	return m
}

// Describe is the difference as the API lists it; reader and writer are "new" and "old" or the other way
// round. The unequal quotes are upstream's.
func (d Difference) Describe(reader, writer string) string {
	if d.Type == tooLarge {
		return source.TooLarge
	}
	text := strings.NewReplacer("{path}", "'"+d.Path()+"'", "{new}", reader, "{old}", writer).Replace(template(d.Type))
	return fmt.Sprintf(`{errorType:"%s", description:"%s'}`, d.Type, text)
}

const (
	keywordAdded = "The keyword at path {path} in the {new} schema is not present in the {old} schema"
	valueMore    = "The value at path {path} in the {new} schema is more than its value in the {old} schema"
	valueLess    = "The value at path {path} in the {new} schema is less than its value in the {old} schema"
	valueChanged = "The value at path {path} is different between the {new} and {old} schema"
	listFewer    = "An array or combined type at path {path} has fewer elements in the {new} schema than the {old} schema"
	listMore     = "An array or combined type at path {path} has more elements in the {new} schema than the {old} schema"
	typeChanged  = "A type at path {path} is different between the {new} schema and the {old} schema"
)

// exact are the templates of single types; the others follow from how a type's name ends.
var exact = map[string]string{
	"SCHEMA_ADDED":                                                 "",
	"TYPE_NARROWED":                                                typeChanged,
	"ENUM_ARRAY_CHANGED":                                           typeChanged,
	"PATTERN_CHANGED":                                              valueChanged,
	"MULTIPLE_OF_CHANGED":                                          valueChanged,
	"MULTIPLE_OF_EXPANDED":                                         valueMore,
	"ADDITIONAL_PROPERTIES_REMOVED":                                keywordAdded,
	"ADDITIONAL_ITEMS_REMOVED":                                     keywordAdded,
	"PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL":                   "The {new} has a closed content model and is missing a property or item present at path {path} in the {old} schema",
	"ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL":                       "The {new} has a closed content model and is missing a property or item present at path {path} in the {old} schema",
	"REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL":              "The {new} schema has an unopen content model and has a required property at path {path} which is missing in the {old} schema",
	addedToOpen:                                                    "The {new} schema has an open content model and has a property or item at path {path} which is missing in the {old} schema",
	"ITEM_ADDED_TO_OPEN_CONTENT_MODEL":                             "The {new} schema has an open content model and has a property or item at path {path} which is missing in the {old} schema",
	"PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":   notCoveredAdded,
	"ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":       notCoveredAdded,
	"PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": notCoveredRemoved,
	"ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL":     notCoveredRemoved,
}

const (
	notCoveredAdded   = "The {new} schema has a property or item at path {path} which is missing in the {old} schema and is not covered by its partially open content model"
	notCoveredRemoved = "A property or item is missing in the {new} schema but present at path {path} in the {old} schema and is not covered by its partially open content model"
)

func template(typ string) string {
	if text, ok := exact[typ]; ok {
		return text
	}
	switch typ[strings.LastIndexByte(typ, '_')+1:] {
	case "ADDED":
		return keywordAdded
	case "INCREASED":
		return valueMore
	case "DECREASED":
		return valueLess
	case "NARROWED":
		return listFewer
	case "EXTENDED":
		return listMore
	}
	return typeChanged
}
