# All of it: a nightly run, a list in the morning, and a queue for what is too much for one.

terraform {
  required_version = ">= 1.6, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

module "ecr_keeper" {
  source = "../.."

  name     = "ecr-keeper"
  zip_file = "${path.module}/../../../../target/lambda/ecr-keeper-lambda.zip"

  repositories  = ["arn:aws:ecr:eu-central-1:123456789012:repository/base/image/*"]
  settings_file = "${path.module}/settings.yaml"
  secret_arns   = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:ecr-keeper/*"]

  bucket   = { name = "example-ecr-keeper-state" }
  list_key = "images.zip"
  queue    = { max_concurrency = 4 }
  alarm    = { topics = ["arn:aws:sns:eu-central-1:123456789012:platform"] }

  schedules = {
    nightly = { expression = "cron(17 3 * * ? *)", timezone = "Europe/Berlin" }
    list    = { expression = "cron(0 7 ? * MON-FRI *)", event = jsonencode({ action = "s3" }) }
  }

  tags = { team = "platform" }
}

output "queue_url" {
  description = "ecr-keeper work enqueue --queue"
  value       = module.ecr_keeper.queue_url
}
