# SPDX-License-Identifier: Apache-2.0
# A flattened device tree, as dtc and mkimage make it, as Python objects.
import struct


class Node:
    def __init__(self, name):
        self.name, self.props, self.nodes = name, {}, []

    def child(self, name):
        return next((n for n in self.nodes if n.name == name), None)


def parse_dtb(blob):
    """The tree that dtc made: Node of the root."""
    _, _, off_struct, off_strings = struct.unpack_from('>4I', blob)
    position, stack, root = off_struct, [], None
    while True:
        tag, = struct.unpack_from('>I', blob, position)
        position += 4
        if tag == 1:
            end = blob.index(b'\0', position)
            node = Node(blob[position:end].decode('latin-1'))
            position = (end + 4) & ~3
            if stack:
                stack[-1].nodes.append(node)
            else:
                root = node
            stack.append(node)
        elif tag == 2:
            stack.pop()
        elif tag == 3:
            length, name = struct.unpack_from('>2I', blob, position)
            start = off_strings + name
            key = blob[start:blob.index(b'\0', start)].decode('latin-1')
            stack[-1].props[key] = blob[position + 8:position + 8 + length]
            position = (position + 8 + length + 3) & ~3
        elif tag == 9:
            return root
