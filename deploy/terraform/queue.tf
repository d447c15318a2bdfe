locals {
  queues = var.queue == null ? 0 : 1
}

# Where messages go that nobody can do anything with, each with its reason.
resource "aws_sqs_queue" "dead" {
  count                     = local.queues
  name                      = "${var.name}-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue" "work" {
  count = local.queues
  name  = "${var.name}-work"
  # Six times as long as the function may take (Lambda Developer Guide, "Creating and configuring an Amazon SQS event source mapping").
  visibility_timeout_seconds = 6 * var.timeout
  message_retention_seconds  = 345600
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[0].arn
    maxReceiveCount     = var.queue.max_receive_count
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  count     = local.queues
  queue_url = aws_sqs_queue.dead[0].id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.work[0].arn]
  })
}

resource "aws_lambda_event_source_mapping" "work" {
  count                   = local.queues
  event_source_arn        = aws_sqs_queue.work[0].arn
  function_name           = aws_lambda_function.this.arn
  batch_size              = var.queue.batch_size
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = var.queue.max_concurrency
  }
}
