# SPDX-License-Identifier: Apache-2.0
# guests/management/manifest_schema.def as Python objects: the table that the management guest, scripts/mkbundle and docs/manifest.md share.
import ast
import collections
import os
import re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'guests', 'management', 'manifest_schema.def')
Prop = collections.namedtuple('Prop', 'field name type required min max default choices default_text meaning')


class Schema:
    """types {id: what to give}, props [Prop], rules {id: format}, loads {id: sentence}."""

    def __init__(self, path=PATH):
        self.types, self.rules, self.loads, self.props = {}, {}, {}, []
        with open(path, encoding='utf-8') as f:
            for number, line in enumerate(f, 1):
                match = re.match(r'(PROP)\((.*)\)$|#define (TYPE|RULE|LOAD)_(\w+) (".*")$', line.strip())
                if match:
                    self._line(match[1] or match[3], match[2] or f'{match[4]}, {match[5]}', f'{path}:{number}')

    def _line(self, macro, args, where):
        # Identifiers outside strings become strings; what is left is a Python tuple.
        quoted = re.sub(r'("(?:\\.|[^"\\])*")|\b([A-Za-z_]\w*)\b', lambda m: m[1] or f'"{m[2]}"', args)
        try:
            values = ast.literal_eval(f'({quoted},)')
        except (SyntaxError, ValueError):
            raise SystemExit(f'{where}: not a line of the schema') from None
        if macro == 'PROP':
            self.props.append(Prop(*values))
        else:
            table = {'TYPE': self.types, 'RULE': self.rules, 'LOAD': self.loads}[macro]
            table[values[0]] = values[1]

    def find(self, name):
        return next((p for p in self.props if p.name == name), None)
