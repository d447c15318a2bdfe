output "function_name" {
  description = "For aws lambda invoke."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "The function."
  value       = aws_lambda_function.this.arn
}

output "role_arn" {
  description = "The function's role: for repository policies of other accounts, trust policies of assume_roles, and ECR's list of roles whose pulls do not count."
  value       = aws_iam_role.function.arn
}

output "log_group" {
  description = "The log."
  value       = aws_cloudwatch_log_group.function.name
}

output "bucket" {
  description = "Where the ledger is; null without one."
  value       = local.bucket_name
}

output "queue_url" {
  description = "work.queue of who fills the queue; null without one."
  value       = one(aws_sqs_queue.work[*].url)
}

output "dead_letter_queue_url" {
  description = "Where messages are that nobody could do anything with; null without a queue."
  value       = one(aws_sqs_queue.dead[*].url)
}

output "work_state" {
  description = "work.state of who fills the queue; null without one."
  value       = var.queue == null ? null : "s3://${local.bucket_name}/${trimsuffix(local.state_prefix, "/")}"
}
