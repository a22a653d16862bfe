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
    instead_of,
)
from graphpath.queries.text import line_at
from graphpath.queries.tokens import Token
from graphpath.queries.vocabulary import FUNCTIONS, is_function, is_procedure

ENGINES: Final = {"neo4j": "Neo4j", "ladybug": "the embedded engine"}


class Reader:
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
        self._prologue()
        while self.place < len(self.tokens):
            token = self._token()
            if token.kind == "stray":
                raise self._stray(token)
            if token.kind == "symbol":
                self._symbol(token)
            elif token.kind == "word":
                self._word(token)
            else:
                self._value(token)
        if self.open:
            raise self._refusal(self.tokens[-1], f"a bracket {self.open[-1][0]!r} is never closed.")

    def _token(self, ahead: int = 0) -> Token:
        """The token here, or ``ahead`` of it; beyond the end, and before the beginning, an empty one."""
        place = self.place + ahead
        return self.tokens[place] if 0 <= place < len(self.tokens) else Token("", "", 0, 0)

    def _phrase(self, table: Mapping[str, str]) -> tuple[str, int] | None:
        """The longest entry of ``table`` that stands here, and the number of its words."""
        words = [self._token(ahead).upper for ahead in range(3)]
        for count in (3, 2, 1):
            phrase = " ".join(words[:count])
            if all(words[:count]) and phrase in table:
                return phrase, count
        return None

    def _prologue(self) -> None:
        """EXPLAIN, PROFILE, SHOW and changes of the schema, which only stand at the beginning."""
        if self._token().upper in ("EXPLAIN", "PROFILE"):
            self.place += 1
            if self.dialect == "ladybug" and self._token().upper == "LOGICAL":
                self.place += 1
        words = " ".join(token.upper for token in self.tokens[self.place : self.place + 6])
        if self.dialect == "neo4j" and (shown := SHOWN.match(words)):
            self.place += len(shown.group().split())
            self.expects = AFTER
        elif self.write and (made := TABLES[self.dialect].match(words)):
            self._schema(len(made.group().split()))

    def _schema(self, words: int) -> None:
        """The rest of a change of the schema: a name and brackets. (The embedded engine can fill a new table
        from a file: CREATE NODE TABLE ... AS LOAD FROM.)"""
        rest = self.tokens[self.place + words :]
        for token in rest:
            if token.kind == "stray":
                raise self._stray(token)
            if token.upper in LEAVING | {"AS", "CALL", "MATCH"}:
                raise self._leaves(token)
        self.place = len(self.tokens)

    def _symbol(self, token: Token) -> None:
        self.place += 1
        if token.sign("([{"):
            self._opened(token)
        elif token.sign(")]}"):
            if not self.open or self.open.pop()[0] != {")": "(", "]": "[", "}": "{"}[token.name]:
                raise self._refusal(token, f"{token.name!r} closes no bracket.")
            self.expects = AFTER
        elif token.sign("*") and (self.expects == OPERAND):
            self.expects = AFTER  # RETURN *, count(*), n.*, [*1..3]
        elif token.sign("!") and self.expects == AFTER and not self._token().sign("="):
            self.expects = AFTER  # 5!
        elif token.sign("$"):
            raise self._refusal(token, "a parameter is written $name.")
        elif self.expects == BEGIN:
            raise self._refusal(token, "a clause such as MATCH or RETURN was expected.")
        else:
            self.expects = OPERAND

    def _opened(self, token: Token) -> None:
        named = self._token(-2).upper
        if token.sign("{") and named in SUBQUERIES and not self._token(-3).sign(".:"):
            self.open.append("{subquery")
            self.expects = BEGIN if self._token().upper in self.clauses | {"OPTIONAL": ""} else OPERAND
            return
        if self.expects == BEGIN:
            raise self._refusal(token, "a clause such as MATCH or RETURN was expected.")
        bare = self._token().kind == "word" and self._token(1).sign("}")
        if token.sign("{") and self.expects == OPERAND and bare:
            raise self._refusal(token, f"write the parameter {{{self._token()}}} as ${self._token()}.")
        self.open.append(token.name)
        self.expects = OPERAND

    def _value(self, token: Token) -> None:
        """A literal, a parameter, or a name in backticks."""
        beside = self.expects != OPERAND and token.kind != "number"
        if beside and not (token.kind == "parameter" and self.write and self._in_pattern()):
            before = self._token(-1)
            if before.upper in LEAVING:
                raise self._leaves(before)
            raise self._refusal(token, "it has no place there.")
        self.place += 1
        if token.kind == "quoted":
            self._called(token)
        self.expects = AFTER

    def _word(self, token: Token) -> None:
        if self._is_name(token):
            self._named(token)
        elif self.expects == OPERAND:
            self._operand(token)
        else:
            self._keyword(token, self.clauses if self.expects == BEGIN else self.following)

    def _is_name(self, token: Token) -> bool:
        """Whether no keyword can stand here: after a dot or AS, and for a label or type."""
        before = self._token(-1)
        return self.expects == OPERAND and (
            before.sign(".") or before.upper == "AS" or (before.sign(":") and self._in_pattern())
        )

    def _in_pattern(self) -> bool:
        return bool(self.open) and self.open[-1] in "(["

    def _operand(self, token: Token) -> None:
        after = self._token(1)
        if self._goes_before(token, after):
            self.place += 1
        elif self._token(-1).sign("+*|") and self._phrase(self.following) and not after.sign(".,)]}:=<>"):
            self._keyword(token, self.following)  # after ((a)-->(b))+, and in FOREACH (x IN xs | SET ...)
        else:
            self._named(token)

    def _goes_before(self, token: Token, after: Token) -> bool:
        """Whether an operand, a pattern or a subquery follows this word, rather than it being one."""
        word = token.upper
        return (
            word in BEFORE
            or (word == "WHEN" and self._token(-1).upper == "CASE")
            or (word in PATHS and (after.kind == "number" or after.upper in PATHS))
            or (word in PATHS - {"ALL", "ANY"} and after.sign("("))
            or (word in SUBQUERIES and after.sign("{"))
            or (self.hinted and word in HINTS)
        )

    def _named(self, token: Token) -> None:
        self.place += 1
        self._called(token)
        self.expects = AFTER

    def _called(self, token: Token) -> None:
        """Refuse the token before this place where it names a function that is not known."""
        if not self._token().sign("(") or (self.hinted and self._token(-2).sign(":")):
            return
        name = self._chain(self.place - 1)
        if not is_function(name, self.dialect):
            if token.upper in CHANGING:
                raise self._changes(token)
            if token.upper in LEAVING:
                raise self._leaves(token)
            near = difflib.get_close_matches(name.lower(), FUNCTIONS[self.dialect], n=1)
            hint = f"; is {near[0]}() meant?" if near else "."
            raise self._refusal(
                token, f"{name}() is no function that a query may use on {ENGINES[self.dialect]}{hint}"
            )

    def _chain(self, place: int) -> str:
        """The name that ends at ``place`` with what stands before its dots: apoc.text.join."""
        parts = [self.tokens[place].name]
        while place > 1 and self.tokens[place - 1].sign("."):
            place -= 2
            parts.insert(0, self.tokens[place].name if self.tokens[place].kind in ("word", "quoted") else "")
        return ".".join(parts)

    def _keyword(self, token: Token, table: Mapping[str, str]) -> None:
        found = self._phrase(table)
        if found is None:
            raise self._unknown(token)
        phrase, count = found
        self.place += count
        self.expects = table[phrase]
        self.hinted = phrase == "USING" or (self.hinted and phrase not in self.clauses and phrase != "WHERE")
        if phrase.endswith("CALL"):
            self._call()

    def _call(self) -> None:
        """A subquery, or a procedure that a text may call."""
        if self.dialect == "neo4j" and self._token().sign("({"):
            self._scope()
            return
        first = self.place
        while self._token().kind in ("word", "quoted"):
            self.place += 1
            if not self._token().sign("."):
                break
            self.place += 1
        name = ".".join(part.name for part in self.tokens[first : self.place] if not part.sign("."))
        if not is_procedure(name, self.dialect, write=self.write):
            where = ENGINES[self.dialect]
            token = self.tokens[min(first, len(self.tokens) - 1)]
            if is_procedure(name, self.dialect, write=True):
                raise self._changes(token, f"CALL {name}")
            raise self._refusal(
                token,
                f"CALL {name or self._token()} is no procedure that a query may call on {where}.",
            )
        self.expects = AFTER

    def _scope(self) -> None:
        """CALL { ... }, or CALL (names) { ... }."""
        if self._token().sign("("):
            self.place += 1
            while self._token().kind in ("word", "quoted") or self._token().sign(",*"):
                self.place += 1
            if not self._token().sign(")"):
                raise self._refusal(self._token(), "CALL (names) { ... } was expected.")
            self.place += 1
        if not self._token().sign("{"):
            raise self._refusal(self._token(-1), "CALL { ... } was expected.")
        self.place += 1
        self.open.append("{subquery")
        self.expects = BEGIN

    def _unknown(self, token: Token) -> QueryFailed:
        before = self._token(-1)
        for one in (token, before):
            if one.upper in CHANGING or one.upper in ("ALTER", "DROP", "DETACH", "NODETACH"):
                return self._changes(one)
        for one in (token, before):
            if one.upper in LEAVING:
                return self._leaves(one)
        return self._refusal(token, instead_of(token.upper, self.expects, self.following))

    def _changes(self, token: Token, what: str = "") -> QueryFailed:
        if self.write:
            return self._refusal(token, "it is no change of the graph that a query may make there.")
        what = what or token.upper
        return self._refusal(token, f"{what} changes the graph; a query is read-only without write=True.")

    def _leaves(self, token: Token) -> QueryFailed:
        return self._refusal(
            token,
            f"{token.upper} reaches beyond the graph (files, network, extensions, settings, transactions), "
            "which no query may.",
        )

    def _stray(self, token: Token) -> QueryFailed:
        if token.name in ("'", '"', "`", "/*"):
            return self._refusal(token, f"what {token.name} begins never ends.")
        return self._refusal(token, "this character has no place in a query outside of strings.")

    def _refusal(self, token: Token, why: str) -> QueryFailed:
        line = line_at(self.text, token.start)
        return QueryFailed(f"The query was not run: line {line}, at {self._quoted(token)}: {why}")

    def _quoted(self, token: Token) -> str:
        text = self.text[token.start : token.end] or "its end"
        return repr(text if len(text) <= 40 else f"{text[:37]}...")
