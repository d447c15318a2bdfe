"""moto's server, with the same answers sooner: a queue of thousands of messages asks for the time millions of times, and works out all its
attributes for each message that comes or goes."""

import sys
import time

from moto.server import main
from moto.sqs import models


def is_kept(backend, queue_name, message):
    period = backend.get_queue(queue_name).message_retention_period
    return period + message.sent_timestamp / 1000 > time.time()


models.unix_time = time.time
models.unix_time_millis = lambda: time.time() * 1000
models.SQSBackend.is_message_valid_based_on_retention_period = is_kept
main(sys.argv[1:])
