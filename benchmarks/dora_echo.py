"""The node at the far end of the dora hop: sends back what it gets."""

from __future__ import annotations

from dora import Node


def main() -> None:
    """Echo until the dataflow stops."""
    node = Node()
    for event in node:
        if event["type"] == "INPUT":
            node.send_output("answer", event["value"], event["metadata"])
        elif event["type"] == "STOP":
            return


if __name__ == "__main__":
    main()
