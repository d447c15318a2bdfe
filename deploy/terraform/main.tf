data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  here      = "${data.aws_region.current.region}:${local.account}"

  ledger_key    = "ledger.json"
  settings_key  = "settings.yaml"
  state_prefix  = "work/"
  settings_here = var.settings_file == null ? null : "s3://${local.bucket_name}/${local.settings_key}"
  place         = var.settings_place == null ? local.settings_here : var.settings_place

  # Those who take messages, and one for the schedule.
  most_at_once         = try(var.queue.max_concurrency, 0) + 1
  reserved_concurrency = var.reserved_concurrency == null ? local.most_at_once : var.reserved_concurrency

  # Where nothing says what the function looks after, the repositories' own resource tags do.
  says_nothing  = local.place == null && length(setintersection(keys(var.environment), ["KEYWORD", "ECR_KEEPER_KEYWORD"])) == 0
  resource_tags = var.resource_tags == null ? local.says_nothing : var.resource_tags

  # What is null is not said.
  environment = merge(
    { for key, value in {
      ECR_KEEPER_CONFIG              = local.place
      ECR_KEEPER_LEDGER              = var.bucket == null ? null : "s3://${local.bucket_name}/${local.ledger_key}"
      ECR_KEEPER_WORK__STATE         = var.queue == null ? null : "s3://${local.bucket_name}/${trimsuffix(local.state_prefix, "/")}"
      ECR_KEEPER_CREATE_REPOSITORIES = var.create_repositories == "never" ? null : var.create_repositories
      BUCKET_NAME                    = var.list_key == null ? null : local.bucket_name
      ECR_KEEPER_S3__KEY             = var.list_key
    } : key => value if value != null },
    # Its URL is known once it is made.
    { for queue in aws_sqs_queue.work : "ECR_KEEPER_WORK__QUEUE" => queue.url },
    var.environment,
  )
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = "Keeps the images in ECR current with their upstream"
  role          = aws_iam_role.function.arn

  package_type     = var.image_uri == null ? "Zip" : "Image"
  filename         = var.zip_file
  source_code_hash = var.zip_file == null ? null : filebase64sha256(var.zip_file)
  image_uri        = var.image_uri
  runtime          = var.image_uri == null ? "provided.al2023" : null
  handler          = var.image_uri == null ? "bootstrap" : null

  architectures                  = [var.architecture]
  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = local.reserved_concurrency

  environment {
    variables = local.environment
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.function.name
    application_log_level = var.log_level
  }

  dynamic "vpc_config" {
    for_each = var.vpc[*]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  tags = var.tags

  # A function that begins without its rights says so in its first run, and never by itself again.
  depends_on = [aws_iam_role_policy.function]

  lifecycle {
    precondition {
      condition     = (var.zip_file == null) != (var.image_uri == null)
      error_message = "Say either zip_file or image_uri."
    }
    precondition {
      condition     = var.settings_file == null || var.settings_place == null
      error_message = "Say at most one of settings_file and settings_place."
    }
    precondition {
      condition     = var.bucket != null || (var.settings_file == null && var.queue == null && var.list_key == null)
      error_message = "settings_file, queue and list_key need a bucket."
    }
    precondition {
      condition     = var.alarm == null || !contains(["ERROR", "FATAL"], upper(var.log_level))
      error_message = "alarm goes by a line of level WARN, which log_level keeps out of the log."
    }
    precondition {
      condition     = local.reserved_concurrency == -1 || local.reserved_concurrency >= local.most_at_once
      error_message = "reserved_concurrency has to be at least queue.max_concurrency and one more: Lambda would take messages that nobody can be handed, or the schedule would find nobody."
    }
  }
}

# A run that fails answers ok: false; what ends as an error is no run, and would not be one a minute later.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 3600
}
