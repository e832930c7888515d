"""grpc.reflection, v1 and v1alpha: what methods and messages there are.

The two versions differ in their names only, so that one set of classes serves both.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import DecodeError
from google.rpc import code_pb2
from grpc_reflection.v1alpha import reflection_pb2 as pb

from server.transport import Call
from switch.errors import WireError

NAMES: Final = (
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
METHOD: Final = "ServerReflectionInfo"

_POOL = Default()


class ReflectionService:
    """Answers out of the classes that this process has loaded."""

    def __init__(self, services: Iterable[str]) -> None:
        """`services` are the names to list."""
        self._services = sorted(services)
        self._answers: dict[str, Callable[[pb.ServerReflectionRequest], _Answer]] = {
            "file_by_filename": lambda request: _files(
                _POOL.FindFileByName(request.file_by_filename)
            ),
            "file_containing_symbol": lambda request: _files(
                _POOL.FindFileContainingSymbol(request.file_containing_symbol)
            ),
            "file_containing_extension": _extension,
            "all_extension_numbers_of_type": _extension_numbers,
            "list_services": lambda _: pb.ServerReflectionResponse(
                list_services_response=pb.ListServiceResponse(
                    service=[pb.ServiceResponse(name=name) for name in self._services]
                )
            ),
        }

    async def ServerReflectionInfo(self, call: Call) -> None:
        """One answer for each question."""
        while (body := await call.read()) is not None:
            try:
                request = pb.ServerReflectionRequest.FromString(body)
            except DecodeError as error:
                raise WireError(f"not a ServerReflectionRequest: {error}") from error
            await call.write(self._answer(request).SerializeToString())

    def _answer(self, request: pb.ServerReflectionRequest) -> "_Answer":
        answer = self._answers.get(request.WhichOneof("message_request") or "")
        if answer is None:
            response = _error(code_pb2.INVALID_ARGUMENT, "nothing is asked")
        else:
            try:
                response = answer(request)
            except KeyError:
                response = _error(code_pb2.NOT_FOUND, "not found")
        response.valid_host = request.host
        response.original_request.CopyFrom(request)
        return response


_Answer = pb.ServerReflectionResponse


def _error(code: int, text: str) -> _Answer:
    error = pb.ErrorResponse(error_code=code, error_message=text)
    return _Answer(error_response=error)


def _files(file: FileDescriptor) -> _Answer:
    """A file and all that it needs."""
    found: dict[str, bytes] = {}
    waiting = [file]
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one.serialized_pb
            waiting += one.dependencies
    files = pb.FileDescriptorResponse(file_descriptor_proto=found.values())
    return _Answer(file_descriptor_response=files)


def _extension(request: pb.ServerReflectionRequest) -> _Answer:
    asked = request.file_containing_extension
    message = _POOL.FindMessageTypeByName(asked.containing_type)
    extension: Any = _POOL.FindExtensionByNumber(message, asked.extension_number)
    return _files(extension.file)


def _extension_numbers(request: pb.ServerReflectionRequest) -> _Answer:
    name = request.all_extension_numbers_of_type
    found = _POOL.FindAllExtensions(_POOL.FindMessageTypeByName(name))
    numbers = pb.ExtensionNumberResponse(
        base_type_name=name,
        extension_number=sorted(one.number for one in found),
    )
    return _Answer(all_extension_numbers_response=numbers)
