locals {
  creates_bucket = try(var.bucket.create, false)
  bucket_name    = local.creates_bucket ? aws_s3_bucket.state[0].bucket : try(var.bucket.name, null)
  bucket_arn     = var.bucket == null ? null : "arn:${local.partition}:s3:::${var.bucket.name}"
}

resource "aws_s3_bucket" "state" {
  count  = local.creates_bucket ? 1 : 0
  bucket = var.bucket.name
  tags   = var.tags
}

resource "aws_s3_bucket_public_access_block" "state" {
  count                   = local.creates_bucket ? 1 : 0
  bucket                  = aws_s3_bucket.state[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  count  = local.creates_bucket ? 1 : 0
  bucket = aws_s3_bucket.state[0].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# An older ledger, should somebody want one back.
resource "aws_s3_bucket_versioning" "state" {
  count  = local.creates_bucket ? 1 : 0
  bucket = aws_s3_bucket.state[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  count  = local.creates_bucket ? 1 : 0
  bucket = aws_s3_bucket.state[0].id

  # A claim lives for half a day at most, and is written anew with each sign of life.
  rule {
    id     = "claims"
    status = "Enabled"
    filter {
      prefix = "${local.state_prefix}claims/"
    }
    expiration {
      days = 2
    }
  }

  rule {
    id     = "outcomes"
    status = "Enabled"
    filter {
      prefix = "${local.state_prefix}outcomes/"
    }
    expiration {
      days = 30
    }
  }

  rule {
    id     = "runs"
    status = "Enabled"
    filter {
      prefix = "${local.state_prefix}runs/"
    }
    expiration {
      days = 30
    }
  }

  rule {
    id     = "queued"
    status = "Enabled"
    filter {
      prefix = "${local.state_prefix}queued/"
    }
    expiration {
      days = 30
    }
  }

  rule {
    id     = "tries"
    status = "Enabled"
    filter {
      prefix = "${local.state_prefix}tries/"
    }
    expiration {
      days = 30
    }
  }

  rule {
    id     = "older-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}

data "aws_iam_policy_document" "tls" {
  count = local.creates_bucket ? 1 : 0

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "state" {
  count  = local.creates_bucket ? 1 : 0
  bucket = aws_s3_bucket.state[0].id
  policy = data.aws_iam_policy_document.tls[0].json

  depends_on = [aws_s3_bucket_public_access_block.state]
}

resource "aws_s3_object" "settings" {
  count        = var.settings_file == null ? 0 : 1
  bucket       = local.bucket_name
  key          = local.settings_key
  source       = var.settings_file
  source_hash  = filemd5(var.settings_file)
  content_type = "application/yaml"
  tags         = var.tags
}
