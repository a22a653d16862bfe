"""Reads a user's own Cypher against the words that it may hold, token by token."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from graphpath.errors import QueryFailed
from graphpath.queries.keywords import (
    AFTER,
    BATCHED,
    BEFORE,
    BEGIN,
    CHANGING,
    FOLLOWING,
    HINTS,
    LEAVING,
    OPERAND,
    PATHS,
    READING,
    SHOWN,
    SUBQUERIES,
    TABLES,
    suggest_instead,
)
from graphpath.queries.text import find_line
from graphpath.queries.tokens import Token
from graphpath.queries.vocabulary import FUNCTIONS, is_function, is_procedure

ENGINES: Final = {"neo4j": "Neo4j", "ladybug": "the embedded engine"}


class StatementReader:
    """Goes through the tokens of one statement with what it expects next, and the brackets that are open."""

    def __init__(self, text: str, found: list[Token], dialect: str, *, write: bool) -> None:
        self.text, self.tokens, self.dialect, self.write = text, found, dialect, write
        self.place, self.expects = 0, BEGIN
        self.open: list[str] = []
        self.clauses: dict[str, str] = READING | (CHANGING if write else {})
        self.following: dict[str, str] = (
            FOLLOWING | self.clauses | (BATCHED if write and dialect == "neo4j" else {})
        )
        self.hinted = False

    def read(self) -> None:
        """Raise QueryFailed at the first token that may not stand where it does."""
        self._read_prologue()
        while self.place < len(self.tokens):
            token = self._peek()
            if token.kind == "stray":
                raise self._explain_stray(token)
            if token.kind == "symbol":
                self._read_symbol(token)
            elif token.kind == "word":
                self._read_word(token)
            else:
                self._read_value(token)
        if self.open:
            raise self._refuse(self.tokens[-1], f"a bracket {self.open[-1][0]!r} is never closed.")

    def _peek(self, ahead: int = 0) -> Token:
        """The token here, or ``ahead`` of it; beyond the end, and before the beginning, an empty one."""
        place = self.place + ahead
        return self.tokens[place] if 0 <= place < len(self.tokens) else Token("", "", 0, 0)

    def _match_phrase(self, table: Mapping[str, str]) -> tuple[str, int] | None:
        """The longest entry of ``table`` that stands here, and the number of its words."""
        words = [self._peek(ahead).upper for ahead in range(3)]
        for count in (3, 2, 1):
            phrase = " ".join(words[:count])
            if all(words[:count]) and phrase in table:
                return phrase, count
        return None

    def _read_prologue(self) -> None:
        """EXPLAIN, PROFILE, SHOW and changes of the schema, which only stand at the beginning."""
        if self._peek().upper in ("EXPLAIN", "PROFILE"):
            self.place += 1
            if self.dialect == "ladybug" and self._peek().upper == "LOGICAL":
                self.place += 1
        words = " ".join(token.upper for token in self.tokens[self.place : self.place + 6])
        if self.dialect == "neo4j" and (shown := SHOWN.match(words)):
            self.place += len(shown.group().split())
            self.expects = AFTER
        elif self.write and (made := TABLES[self.dialect].match(words)):
            self._read_schema_change(len(made.group().split()))

    def _read_schema_change(self, words: int) -> None:
        """The rest of a change of the schema: a name and brackets. (The embedded engine can fill a new table
        from a file: CREATE NODE TABLE ... AS LOAD FROM.)"""
        rest = self.tokens[self.place + words :]
        for token in rest:
            if token.kind == "stray":
                raise self._explain_stray(token)
            if token.upper in LEAVING | {"AS", "CALL", "MATCH"}:
                raise self._explain_leaving(token)
        self.place = len(self.tokens)

    def _read_symbol(self, token: Token) -> None:
        self.place += 1
        if token.is_symbol("([{"):
            self._read_opening(token)
        elif token.is_symbol(")]}"):
            if not self.open or self.open.pop()[0] != {")": "(", "]": "[", "}": "{"}[token.name]:
                raise self._refuse(token, f"{token.name!r} closes no bracket.")
            self.expects = AFTER
        elif token.is_symbol("*") and (self.expects == OPERAND):
            self.expects = AFTER  # RETURN *, count(*), n.*, [*1..3]
        elif token.is_symbol("!") and self.expects == AFTER and not self._peek().is_symbol("="):
            self.expects = AFTER  # 5!
        elif token.is_symbol("$"):
            raise self._refuse(token, "a parameter is written $name.")
        elif self.expects == BEGIN:
            raise self._refuse(token, "a clause such as MATCH or RETURN was expected.")
        else:
            self.expects = OPERAND

    def _read_opening(self, token: Token) -> None:
        named = self._peek(-2).upper
        if token.is_symbol("{") and named in SUBQUERIES and not self._peek(-3).is_symbol(".:"):
            self.open.append("{subquery")
            self.expects = BEGIN if self._peek().upper in self.clauses | {"OPTIONAL": ""} else OPERAND
            return
        if self.expects == BEGIN:
            raise self._refuse(token, "a clause such as MATCH or RETURN was expected.")
        bare = self._peek().kind == "word" and self._peek(1).is_symbol("}")
        if token.is_symbol("{") and self.expects == OPERAND and bare:
            raise self._refuse(token, f"write the parameter {{{self._peek()}}} as ${self._peek()}.")
        self.open.append(token.name)
        self.expects = OPERAND

    def _read_value(self, token: Token) -> None:
        """A literal, a parameter, or a name in backticks."""
        beside = self.expects != OPERAND and token.kind != "number"
        if beside and not (token.kind == "parameter" and self.write and self._in_pattern()):
            before = self._peek(-1)
            if before.upper in LEAVING:
                raise self._explain_leaving(before)
            raise self._refuse(token, "it has no place there.")
        self.place += 1
        if token.kind == "quoted":
            self._check_call(token)
        self.expects = AFTER

    def _read_word(self, token: Token) -> None:
        if self._is_name(token):
            self._read_name(token)
        elif self.expects == OPERAND:
            self._read_operand(token)
        else:
            self._read_keyword(token, self.clauses if self.expects == BEGIN else self.following)

    def _is_name(self, token: Token) -> bool:
        """Whether no keyword can stand here: after a dot or AS, and for a label or type."""
        before = self._peek(-1)
        return self.expects == OPERAND and (
            before.is_symbol(".") or before.upper == "AS" or (before.is_symbol(":") and self._in_pattern())
        )

    def _in_pattern(self) -> bool:
        return bool(self.open) and self.open[-1] in "(["

    def _read_operand(self, token: Token) -> None:
        after = self._peek(1)
        if self._precedes_operand(token, after):
            self.place += 1
        elif (
            self._peek(-1).is_symbol("+*|")
            and self._match_phrase(self.following)
            and not after.is_symbol(".,)]}:=<>")
        ):
            self._read_keyword(
                token, self.following
            )  # after ((a)-->(b))+, and in FOREACH (x IN xs | SET ...)
        else:
            self._read_name(token)

    def _precedes_operand(self, token: Token, after: Token) -> bool:
        """Whether an operand, a pattern or a subquery follows this word, rather than it being one."""
        word = token.upper
        return (
            word in BEFORE
            or (word == "WHEN" and self._peek(-1).upper == "CASE")
            or (word in PATHS and (after.kind == "number" or after.upper in PATHS))
            or (word in PATHS - {"ALL", "ANY"} and after.is_symbol("("))
            or (word in SUBQUERIES and after.is_symbol("{"))
            or (self.hinted and word in HINTS)
        )

    def _read_name(self, token: Token) -> None:
        self.place += 1
        self._check_call(token)
        self.expects = AFTER

    def _check_call(self, token: Token) -> None:
        """Refuse the token before this place where it names a function that is not known."""
        if not self._peek().is_symbol("(") or (self.hinted and self._peek(-2).is_symbol(":")):
            return
        name = self._join_chain(self.place - 1)
        if not is_function(name, self.dialect):
            if token.upper in CHANGING:
                raise self._explain_change(token)
            if token.upper in LEAVING:
                raise self._explain_leaving(token)
            near = difflib.get_close_matches(name.lower(), FUNCTIONS[self.dialect], n=1)
            hint = f"; is {near[0]}() meant?" if near else "."
            raise self._refuse(
                token, f"{name}() is no function that a query may use on {ENGINES[self.dialect]}{hint}"
            )

    def _join_chain(self, place: int) -> str:
        """The name that ends at ``place`` with what stands before its dots: apoc.text.join."""
        parts = [self.tokens[place].name]
        while place > 1 and self.tokens[place - 1].is_symbol("."):
            place -= 2
            parts.insert(0, self.tokens[place].name if self.tokens[place].kind in ("word", "quoted") else "")
        return ".".join(parts)

    def _read_keyword(self, token: Token, table: Mapping[str, str]) -> None:
        found = self._match_phrase(table)
        if found is None:
            raise self._explain_unknown(token)
        phrase, count = found
        self.place += count
        self.expects = table[phrase]
        self.hinted = phrase == "USING" or (self.hinted and phrase not in self.clauses and phrase != "WHERE")
        if phrase.endswith("CALL"):
            self._read_call()

    def _read_call(self) -> None:
        """A subquery, or a procedure that a text may call."""
        if self.dialect == "neo4j" and self._peek().is_symbol("({"):
            self._read_scope()
            return
        first = self.place
        while self._peek().kind in ("word", "quoted"):
            self.place += 1
            if not self._peek().is_symbol("."):
                break
            self.place += 1
        name = ".".join(part.name for part in self.tokens[first : self.place] if not part.is_symbol("."))
        if not is_procedure(name, self.dialect, write=self.write):
            where = ENGINES[self.dialect]
            token = self.tokens[min(first, len(self.tokens) - 1)]
            if is_procedure(name, self.dialect, write=True):
                raise self._explain_change(token, f"CALL {name}")
            raise self._refuse(
                token,
                f"CALL {name or self._peek()} is no procedure that a query may call on {where}.",
            )
        self.expects = AFTER

    def _read_scope(self) -> None:
        """CALL { ... }, or CALL (names) { ... }."""
        if self._peek().is_symbol("("):
            self.place += 1
            while self._peek().kind in ("word", "quoted") or self._peek().is_symbol(",*"):
                self.place += 1
            if not self._peek().is_symbol(")"):
                raise self._refuse(self._peek(), "CALL (names) { ... } was expected.")
            self.place += 1
        if not self._peek().is_symbol("{"):
            raise self._refuse(self._peek(-1), "CALL { ... } was expected.")
        self.place += 1
        self.open.append("{subquery")
        self.expects = BEGIN

    def _explain_unknown(self, token: Token) -> QueryFailed:
        before = self._peek(-1)
        for one in (token, before):
            if one.upper in CHANGING or one.upper in ("ALTER", "DROP", "DETACH", "NODETACH"):
                return self._explain_change(one)
        for one in (token, before):
            if one.upper in LEAVING:
                return self._explain_leaving(one)
        return self._refuse(token, suggest_instead(token.upper, self.expects, self.following))

    def _explain_change(self, token: Token, what: str = "") -> QueryFailed:
        if self.write:
            return self._refuse(token, "it is no change of the graph that a query may make there.")
        what = what or token.upper
        return self._refuse(token, f"{what} changes the graph; a query is read-only without write=True.")

    def _explain_leaving(self, token: Token) -> QueryFailed:
        return self._refuse(
            token,
            f"{token.upper} reaches beyond the graph (files, network, extensions, settings, transactions), "
            "which no query may.",
        )

    def _explain_stray(self, token: Token) -> QueryFailed:
        if token.name in ("'", '"', "`", "/*"):
            return self._refuse(token, f"what {token.name} begins never ends.")
        return self._refuse(token, "this character has no place in a query outside of strings.")

    def _refuse(self, token: Token, why: str) -> QueryFailed:
        line = find_line(self.text, token.start)
        return QueryFailed(f"The query was not run: line {line}, at {self._quote(token)}: {why}")

    def _quote(self, token: Token) -> str:
        text = self.text[token.start : token.end] or "its end"
        return repr(text if len(text) <= 40 else f"{text[:37]}...")
