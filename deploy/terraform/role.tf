# The policies of ../iam in one, as far as the variables ask for them.

locals {
  settings_object_arn = var.settings_place == null ? null : (
    startswith(var.settings_place, "s3://") ? "arn:${local.partition}:s3:::${trimprefix(var.settings_place, "s3://")}" : null
  )
  settings_name = var.settings_place == null ? null : (
    startswith(var.settings_place, "ssm:") ? trimprefix(var.settings_place, "ssm:") : null
  )
  # A name, also one with a /, or an ARN.
  settings_parameter_arn = local.settings_name == null ? null : (
    startswith(local.settings_name, "arn:") ? local.settings_name
    : "arn:${local.partition}:ssm:${local.here}:parameter/${trimprefix(local.settings_name, "/")}"
  )

  parameter_arns = concat(var.parameter_arns, local.settings_parameter_arn[*])
  # Of each registry that is written to, all names are listed.
  registries = distinct([for arn in var.repositories : regex("^(arn:[^:]+:ecr:[^:]+:[0-9]+:repository)/", arn)[0]])

  readable = concat(
    var.bucket == null ? [] : ["${local.bucket_arn}/${local.ledger_key}"],
    var.settings_file == null ? [] : ["${local.bucket_arn}/${local.settings_key}"],
    local.settings_object_arn[*],
    var.queue == null ? [] : ["${local.bucket_arn}/${local.state_prefix}*"],
  )
  writable = concat(
    var.bucket == null ? [] : ["${local.bucket_arn}/${local.ledger_key}"],
    var.list_key == null ? [] : ["${local.bucket_arn}/${var.list_key}"],
    var.queue == null ? [] : ["${local.bucket_arn}/${local.state_prefix}*"],
  )

  creations = var.create_repositories != "settings" ? [] : [
    "ecr:CreateRepository", "ecr:TagResource", "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy", "ecr:DeleteRepository",
  ]

  # By a name, what is allowed on what; an empty list of resources is no statement.
  statements = {
    Log  = { actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["${aws_cloudwatch_log_group.function.arn}:*"] }
    List = { actions = ["ecr:DescribeRepositories"], resources = [for registry in local.registries : "${registry}/*"] }
    Everything = {
      actions = concat(
        ["ecr:GetAuthorizationToken", "ecr:DescribePullThroughCacheRules"],
        var.create_repositories == "template" ? ["ecr:DescribeRepositoryCreationTemplates"] : [],
        var.ecr_public ? ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"] : [],
      )
      resources = ["*"]
    }
    Push = {
      actions = concat([
        "ecr:DescribeImages", "ecr:ListImages", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
      ], local.creations)
      resources = var.repositories
    }
    ResourceTags = {
      actions   = ["ecr:ListTagsForResource"]
      resources = local.resource_tags ? [for registry in local.registries : "${registry}/*"] : []
    }
    # What the account's regions hold and run, which usage tells.
    Regions = {
      actions   = ["account:ListRegions"]
      resources = var.usage ? ["arn:${local.partition}:account::${local.account}:account"] : []
    }
    Images = {
      actions   = ["ecr:DescribeRepositories", "ecr:DescribeImages", "ecr:BatchGetImage"]
      resources = var.usage ? ["arn:${local.partition}:ecr:*:${local.account}:repository/*"] : []
    }
    ListFunctions = { actions = ["lambda:ListFunctions"], resources = var.usage ? ["*"] : [] }
    Functions = {
      actions   = ["lambda:GetFunction"]
      resources = var.usage ? ["arn:${local.partition}:lambda:*:${local.account}:function:*"] : []
    }
    Logs = {
      actions   = ["logs:DescribeLogStreams"]
      resources = var.usage ? ["arn:${local.partition}:logs:*:${local.account}:log-group:*"] : []
    }
    ListServices = {
      actions   = ["ecs:ListClusters", "ecs:ListServices", "ecs:DescribeTaskDefinition"]
      resources = var.usage_ecs ? ["*"] : []
    }
    Services = {
      actions   = ["ecs:DescribeServices"]
      resources = var.usage_ecs ? ["arn:${local.partition}:ecs:*:${local.account}:service/*"] : []
    }
    Roles      = { actions = ["sts:AssumeRole"], resources = var.assume_roles }
    Secrets    = { actions = ["secretsmanager:GetSecretValue"], resources = var.secret_arns }
    Parameters = { actions = ["ssm:GetParameter"], resources = local.parameter_arns }
    Keys       = { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = var.kms_key_arns }
    Read       = { actions = ["s3:GetObject"], resources = local.readable }
    Write      = { actions = ["s3:PutObject"], resources = local.writable }
    # Without it S3 does not tell an object that is not there yet from one that it may not show.
    IsThere = { actions = ["s3:ListBucket"], resources = var.bucket == null ? [] : [local.bucket_arn] }
    Queue = {
      actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:SendMessage"]
      resources = aws_sqs_queue.work[*].arn
    }
    DeadLetters = { actions = ["sqs:GetQueueUrl", "sqs:SendMessage"], resources = aws_sqs_queue.dead[*].arn }
    # Lambda's own, with the role; its interfaces have no name beforehand (AWSLambdaVPCAccessExecutionRole).
    Network = {
      actions = [
        "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
      ]
      resources = var.vpc == null ? [] : ["*"]
    }
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "function" {
  dynamic "statement" {
    for_each = { for sid, statement in local.statements : sid => statement if length(statement.resources) > 0 }
    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources
    }
  }
}

resource "aws_iam_role" "function" {
  name_prefix        = "${substr(var.name, 0, 37)}-"
  description        = "What the function ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "function" {
  name   = "function"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}
