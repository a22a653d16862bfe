"""What a user's own Cypher may call: functions and procedures that ask the graph and nothing else, by engine.

Whatever is in none of these lists is refused: files, network, extensions, settings, other databases, texts
that are run as Cypher, and what stays in the server.
"""

from __future__ import annotations

import re
from typing import Final

_BOTH: Final = """
    abs acos all any asin atan atan2 avg ceil coalesce collect cos cot count degrees exists floor id keys
    labels left length log log10 lower ltrim max min nodes none nullif percentiledisc pi properties radians
    range reduce relationships replace reverse right round rtrim sign sin single size sqrt substring sum tan
    tolower toupper trim upper date duration timestamp
"""
_NEO4J: Final = """
    allshortestpaths btrim char_length character_length cosh coth datetime datetime.fromepoch
    datetime.fromepochmillis duration.between duration.indays duration.inmonths duration.inseconds e
    elementid endnode exp haversin head isempty isnan last localdatetime localtime normalize percentilecont
    point point.distance point.withinbbox rand randomuuid shortestpath sinh split startnode stdev stdevp
    tail tanh time toboolean tobooleanlist tobooleanornull tofloat tofloatlist tofloatornull tointeger
    tointegerlist tointegerornull tostring tostringlist tostringornull type valuetype
    vector.similarity.cosine vector.similarity.euclidean gds.version gds.graph.project gds.graph.exists
"""
_LADYBUG: Final = """
    array_append array_cat array_concat array_contains array_cosine_similarity array_cross_product
    array_distance array_dot_product array_extract array_has array_indexof array_inner_product
    array_position array_prepend array_push_back array_push_front array_slice array_squared_distance
    array_value bitshift_left bitshift_right bitwise_and bitwise_or bitwise_xor blob cardinality cast cbrt
    ceiling century concat concat_ws constant_or_null contains cost count_if current_date current_timestamp
    date_part date_trunc datepart datetrunc dayname decimal decode element_at encode end_node ends_with
    epoch_ms error even factorial gamma gen_random_uuid greatest hash ifnull initcap internal_id interval
    is_acyclic is_trail label last_day lcase least levenshtein lgamma list_any_value list_append list_cat
    list_concat list_contains list_creation list_distinct list_element list_extract list_filter list_has
    list_has_all list_indexof list_position list_prepend list_product list_reduce list_reverse
    list_reverse_sort list_slice list_sort list_sum list_to_string list_transform list_unique ln log2 lpad
    make_date map map_extract map_keys map_values md5 monthname negate octet_length offset pow prefix random
    regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array
    rels repeat rowid rpad sha256 split_part start_node starts_with str_split string string_split
    string_to_array struct struct_extract struct_pack substr suffix to_blob to_bool to_date to_days
    to_double to_epoch_ms to_float to_hours to_int128 to_int16 to_int32 to_int64 to_int8 to_interval
    to_microseconds to_milliseconds to_minutes to_months to_seconds to_string to_timestamp to_uint128
    to_uint16 to_uint32 to_uint64 to_uint8 to_uuid to_years typeof ucase union union_extract union_tag
    union_value uuid wshortest
"""
FUNCTIONS: Final = {
    "neo4j": frozenset((_BOTH + _NEO4J).split()),
    "ladybug": frozenset((_BOTH + _LADYBUG).split()),
}
"""The functions, in small letters."""
_FAMILIES: Final = {
    "neo4j": re.compile(
        r"(date|datetime|localdatetime|localtime|time)\.(truncate|statement|transaction|realtime)"
        r"|gds\.(similarity|util)\.\w+"
        r"|apoc\.(agg|any|bitwise|coll|convert|date|diff|hashing|label|map|math|meta\.cypher|node|number|rel"
        r"|scoring|temporal|text)\.\w+"
    ),
    "ladybug": re.compile(r"(?!)"),
}
PROCEDURES: Final = {
    "neo4j": re.compile(
        r"db\.(labels|relationshiptypes|propertykeys|info|schema\.(visualization|nodetypeproperties"
        r"|reltypeproperties)|index\.(fulltext|vector)\.query(nodes|relationships))"
        r"|gds\.graph\.(list|exists|drop|project|filter)|gds\.(list|version)"
        r"|gds\.(?!graph\.export|model\.)[\w.]+\.(stream|stats|mutate|estimate)"
        r"|apoc\.(algo|neighbors|path|search|stats)\.[\w.]+|apoc\.meta\.(schema|stats|data|graph)"
    ),
    "ladybug": re.compile(
        r"show_(connection|functions|indexes|macros|sequences|tables|warnings)"
        r"|(table|stats|storage|bm|disk|disk_size|fsm)_info|(db|catalog|storage)_version|current_setting"
    ),
}
"""The procedures that a text may CALL, in small letters."""
WRITING: Final = {
    "neo4j": re.compile(
        r"db\.(create(label|property|relationshiptype)|awaitindexes|awaitindex|resampleindex)"
        r"|gds\.(?!graph\.export|model\.)[\w.]+\.write"
    ),
    "ladybug": re.compile(r"(?!)"),
}
"""The procedures that it may CALL besides where it may write."""


def is_function(name: str, dialect: str) -> bool:
    """Whether a text may use the function ``name``, in any case, on this engine."""
    name = name.lower()
    return name in FUNCTIONS[dialect] or _FAMILIES[dialect].fullmatch(name) is not None


def is_procedure(name: str, dialect: str, *, write: bool) -> bool:
    """Whether a text may CALL the procedure ``name``, in any case, on this engine."""
    name = name.lower()
    if PROCEDURES[dialect].fullmatch(name):
        return True
    return write and WRITING[dialect].fullmatch(name) is not None
