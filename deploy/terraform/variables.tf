variable "name" {
  description = "The function's name; what belongs to it is named after it."
  type        = string
  default     = "ecr-keeper"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,50}$", var.name))
    error_message = "name: up to 50 letters, digits, - and _."
  }
}

variable "zip_file" {
  description = "The archive that scripts/lambda-zip makes. This, or image_uri."
  type        = string
  default     = null
}

variable "image_uri" {
  description = "The image that deploy/lambda/Dockerfile makes, in ECR in the function's region. This, or zip_file."
  type        = string
  default     = null
}

variable "architecture" {
  description = "What the archive or image was built for."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture: x86_64 or arm64."
  }
}

variable "memory_size" {
  description = "MB. More is more processor and network, too."
  type        = number
  default     = 1024

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240
    error_message = "memory_size: from 128 to 10240."
  }
}

variable "timeout" {
  description = "Seconds. What is not done by then is the next run's work."
  type        = number
  default     = 900

  validation {
    condition     = var.timeout >= 3 && var.timeout <= 900
    error_message = "timeout: from 3 to 900."
  }
}

variable "reserved_concurrency" {
  description = "How many of the function run at once: null for one, and queue.max_concurrency more with a queue. -1 reserves nothing, which accounts with few to reserve need."
  type        = number
  default     = null

  validation {
    condition     = try(var.reserved_concurrency == -1 || var.reserved_concurrency >= 1, var.reserved_concurrency == null)
    error_message = "reserved_concurrency: -1, or 1 and more."
  }
}

variable "repositories" {
  description = "ARNs of the ECR repositories that the function may write to, such as arn:aws:ecr:REGION:ACCOUNT:repository/base/image/*."
  type        = list(string)

  validation {
    condition     = length(var.repositories) > 0 && alltrue([for arn in var.repositories : can(regex("^arn:[a-z-]+:ecr:[a-z0-9-]+:[0-9]{12}:repository/.+$", arn))])
    error_message = "repositories: at least one ARN of ECR repositories, arn:PARTITION:ecr:REGION:ACCOUNT:repository/NAME."
  }
}

variable "resource_tags" {
  description = "Whether repositories say in their resource tags what they follow (discovery.resource_tags); null: where neither a settings file nor KEYWORD in environment says what is looked after."
  type        = bool
  default     = null
}

variable "create_repositories" {
  description = "As the setting of this name: never, settings or template."
  type        = string
  default     = "never"

  validation {
    condition     = contains(["never", "settings", "template"], var.create_repositories)
    error_message = "create_repositories: never, settings or template."
  }
}

variable "ecr_public" {
  description = "Whether upstreams at public.ecr.aws are read with a login, for a higher limit."
  type        = bool
  default     = false
}

variable "usage" {
  description = "Whether the function may read what all regions of its account hold, and which functions run it (the command usage)."
  type        = bool
  default     = false
}

variable "usage_ecs" {
  description = "Whether usage may ask services of ECS, too."
  type        = bool
  default     = false
}

variable "assume_roles" {
  description = "ARNs of the roles that aws.role_arn, images.N.targets and usage.role_arns name."
  type        = list(string)
  default     = []
}

variable "settings_file" {
  description = "A settings.yaml on this machine, which is put into the bucket. At most one of this and settings_place."
  type        = string
  default     = null
}

variable "settings_place" {
  description = "Where settings are kept already: s3://BUCKET/KEY or ssm:NAME. Without both, those in the archive and the environment hold."
  type        = string
  default     = null

  validation {
    condition     = var.settings_place == null || can(regex("^(s3://[^/]+/.+|ssm:.+)$", var.settings_place))
    error_message = "settings_place: s3://BUCKET/KEY or ssm:NAME."
  }
}

variable "environment" {
  description = "More of the function's environment, such as { KEYWORD = \"base/image\" }. No secrets: who may look at the function sees it. Their ARNs may stand here."
  type        = map(string)
  default     = {}
}

variable "secret_arns" {
  description = "Secrets of Secrets Manager that settings name."
  type        = list(string)
  default     = []
}

variable "parameter_arns" {
  description = "Parameters of Systems Manager that settings name, beside the one of settings_place."
  type        = list(string)
  default     = []
}

variable "kms_key_arns" {
  description = "Keys of your own that encrypt these secrets and parameters, or the bucket."
  type        = list(string)
  default     = []
}

variable "bucket" {
  description = "Where the ledger, lists and the state of shared work are kept: a bucket of this name, which is made unless create is false. null: none, and the ledger goes with each copy of the function."
  type = object({
    name   = string
    create = optional(bool, true)
  })
  default = null
}

variable "list_key" {
  description = "The object of the bucket that the event {\"action\": \"s3\"} writes; null: none."
  type        = string
  default     = null
}

variable "queue" {
  description = "A queue of images for several functions at once, filled by `ecr-keeper work enqueue`. It needs the bucket. null: none."
  type = object({
    # AWS takes no number below 2.
    max_concurrency   = optional(number, 2)
    batch_size        = optional(number, 5)
    max_receive_count = optional(number, 5)
  })
  default = null

  validation {
    condition     = var.queue == null || try(var.queue.max_concurrency >= 2 && var.queue.max_concurrency <= 1000 && var.queue.batch_size >= 1 && var.queue.batch_size <= 10 && var.queue.max_receive_count >= 3, false)
    error_message = "queue: max_concurrency from 2 to 1000, batch_size from 1 to 10, max_receive_count from 3."
  }
}

variable "schedules" {
  description = "When runs begin, and with which event (docs/lambda.md), by names of your own."
  type = map(object({
    expression = string
    timezone   = optional(string, "UTC")
    event      = optional(string, "{}")
  }))
  default = {
    nightly = { expression = "cron(17 3 * * ? *)" }
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^(rate|cron|at)\\(.+\\)$", schedule.expression)) && can(jsondecode(schedule.event))])
    error_message = "schedules: expressions are rate(…), cron(…) or at(…), events are JSON."
  }
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
  default     = 30
}

variable "log_level" {
  description = "INFO, DEBUG, WARN, …"
  type        = string
  default     = "INFO"
}

variable "alarm" {
  description = "Alarms of CloudWatch for what went wrong: with { topics = [ARN, …] } the topics of SNS that are told, with {} nobody is. null: none."
  type = object({
    topics = optional(list(string), [])
  })
  default = null
}

variable "vpc" {
  description = "Subnets and security groups, where the function has to be in a VPC; registries have to be reached from there. null: none."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "tags" {
  description = "Resource tags for all of it."
  type        = map(string)
  default     = {}
}
