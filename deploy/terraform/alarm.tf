# What a person should look at: what an invocation could not do, invocations that came to no end, and messages that nobody could do anything with.

locals {
  alarms = var.alarm == null ? 0 : 1
  topics = var.alarm == null ? [] : var.alarm.topics
}

resource "aws_cloudwatch_log_metric_filter" "unwell" {
  count          = local.alarms
  name           = "${var.name}-unwell"
  log_group_name = aws_cloudwatch_log_group.function.name
  # The last line of an invocation has this field, and no other has.
  pattern = "{ $.ok IS FALSE }"

  metric_transformation {
    namespace = "ecr-keeper"
    name      = "${var.name}-unwell"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "unwell" {
  count               = local.alarms
  alarm_name          = "${var.name}-unwell"
  alarm_description   = "A run of ${var.name} did not do all it should: the log's lines with \"ok\":false, and those before them, say what."
  namespace           = aws_cloudwatch_log_metric_filter.unwell[0].metric_transformation[0].namespace
  metric_name         = aws_cloudwatch_log_metric_filter.unwell[0].metric_transformation[0].name
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  tags                = var.tags
}

# Of these there may be no line: no memory, no time, no program.
resource "aws_cloudwatch_metric_alarm" "errors" {
  count               = local.alarms
  alarm_name          = "${var.name}-errors"
  alarm_description   = "Invocations of ${var.name} ended as errors: they were no runs."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "dead" {
  count               = var.alarm == null ? 0 : local.queues
  alarm_name          = "${var.name}-dead"
  alarm_description   = "There are images that nobody could copy: each message has its reason as the attribute reason."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead[0].name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.topics
  tags                = var.tags
}
