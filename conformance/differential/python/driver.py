"""Answers the questions of the differential test with google.protobuf.

Each line of the input is a question, and each line of the output its answer:

    S <descriptor set>       the contract from here on
    W <type> <wire bytes>    as JSON, please
    J <type> <JSON text>     as wire bytes, please

Bytes are in base64. An answer is `ok <bytes>` or `no <why>`.
"""

import base64
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


class Contract:
    def __init__(self, descriptors):
        self.pool = descriptor_pool.DescriptorPool()
        files = descriptor_pb2.FileDescriptorSet.FromString(descriptors)
        for file in files.file:
            self.pool.AddSerializedFile(file.SerializeToString())
        # An extension is found in a message once it is looked up by its extendee.
        self.classes = message_factory.GetMessageClassesForFiles(
            [file.name for file in files.file], self.pool
        )

    def message(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))()

    def write(self, name, wire):
        message = self.message(name)
        message.ParseFromString(wire)
        check(message)
        return json_format.MessageToJson(
            message, indent=None, ensure_ascii=False, descriptor_pool=self.pool
        ).encode()

    def read(self, name, text):
        message = self.message(name)
        json_format.Parse(text, message, descriptor_pool=self.pool)
        # Serialising would notice too, but crashes on its way to say where.
        check(message)
        return message.SerializeToString(deterministic=True)


def check(message):
    if not message.IsInitialized():
        raise ValueError("a required field is missing")


def main():
    contract = None
    for line in sys.stdin:
        what, *words = line.split()
        content = base64.b64decode(words[-1]) if len(words) == (1 if what == "S" else 2) else b""
        try:
            if what == "S":
                contract = Contract(content)
                result = b""
            elif what == "W":
                result = contract.write(words[0], content)
            else:
                result = contract.read(words[0], content)
            print("ok", base64.b64encode(result).decode())
        except Exception as error:  # whatever it is, it is a refusal
            why = " ".join(str(error).split()).encode("ascii", "backslashreplace").decode()
            print("no", type(error).__name__, why)


main()
