"""Content: exams, plans, shots, rendered images, copy, pieces"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import BIT, VECTOR
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "cost_entries",
        sa.Column("rolled_up", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="vixen",
    )
    op.create_index(
        "ix_cost_entries_open",
        "cost_entries",
        ["avatar_id"],
        unique=False,
        schema="vixen",
        postgresql_include=["usd"],
        postgresql_where=sa.text("NOT rolled_up"),
    )
    op.create_table(
        "cost_totals",
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("usd", sa.Numeric(20, 8), nullable=False),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_cost_totals_avatar_id_avatars")
        ),
        sa.PrimaryKeyConstraint("avatar_id", name=op.f("pk_cost_totals")),
        schema="vixen",
    )
    op.create_table(
        "content_plans",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("mix", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("platforms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("formats", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("library_digest", sa.Text(), nullable=True),
        sa.Column("coverage", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("contact_sheet_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_content_plans_avatar_id_avatars")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_plans")),
        sa.UniqueConstraint("avatar_id", "number", name=op.f("uq_content_plans_avatar_id_number")),
        schema="vixen",
    )
    op.create_index(
        "ix_content_plans_open",
        "content_plans",
        ["avatar_id"],
        unique=False,
        schema="vixen",
        postgresql_where=sa.text("completed_at IS NULL"),
    )
    op.create_table(
        "content_shots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("scene", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("choices", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("negative_prompt", sa.Text(), nullable=False),
        sa.Column("prompt_sha256", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("embedding", VECTOR(dim=1536), nullable=False),
        sa.Column("embedding_model", sa.Text(), nullable=False),
        sa.Column("nearest_similarity", sa.Double(), nullable=True),
        sa.Column("moderation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_content_shots_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["vixen.content_plans.id"],
            name=op.f("fk_content_shots_plan_id_content_plans"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_shots")),
        sa.UniqueConstraint(
            "avatar_id",
            "prompt_sha256",
            "seed",
            name=op.f("uq_content_shots_avatar_id_prompt_sha256_seed"),
        ),
        sa.UniqueConstraint("plan_id", "position", name=op.f("uq_content_shots_plan_id_position")),
        schema="vixen",
    )
    op.create_index(
        "ix_content_shots_embedding",
        "content_shots",
        ["embedding"],
        unique=False,
        schema="vixen",
        postgresql_using="hnsw",
        postgresql_ops={"embedding": "vector_cosine_ops"},
    )
    op.create_table(
        "content_copies",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("shot_id", sa.BigInteger(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("variant", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("hook", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("call_to_action", sa.Text(), nullable=True),
        sa.Column("hashtags", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("caption", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("scores", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("moderation", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("effect_id", sa.BigInteger(), nullable=True),
        sa.Column("usd", sa.Numeric(precision=20, scale=8), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "outcome IN ('written', 'refused', 'cut_off', 'unfit')",
            name=op.f("ck_content_copies_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_content_copies_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["effect_id"], ["vixen.effects.id"], name=op.f("fk_content_copies_effect_id_effects")
        ),
        sa.ForeignKeyConstraint(
            ["shot_id"],
            ["vixen.content_shots.id"],
            name=op.f("fk_content_copies_shot_id_content_shots"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_copies")),
        sa.UniqueConstraint(
            "shot_id",
            "platform",
            "round",
            "variant",
            name=op.f("uq_content_copies_shot_id_platform_round_variant"),
        ),
        schema="vixen",
    )
    op.create_index(
        "uq_content_copies_chosen",
        "content_copies",
        ["shot_id", "platform"],
        unique=True,
        schema="vixen",
        postgresql_where=sa.text("chosen"),
    )
    op.create_table(
        "lora_checkpoints",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("weights_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["weights_id"],
            ["vixen.lora_weights.id"],
            name=op.f("fk_lora_checkpoints_weights_id_lora_weights"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lora_checkpoints")),
        sa.UniqueConstraint("weights_id", "step", name=op.f("uq_lora_checkpoints_weights_id_step")),
        schema="vixen",
    )
    op.create_table(
        "weights_exams",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("weights_id", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint_id", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("exam_digest", sa.Text(), nullable=False),
        sa.Column("portrait_id", sa.BigInteger(), nullable=False),
        sa.Column("scorer", sa.Text(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=True),
        sa.Column("identity_mean", sa.Double(), nullable=True),
        sa.Column("identity_p10", sa.Double(), nullable=True),
        sa.Column("diversity", sa.Double(), nullable=True),
        sa.Column("nearest_training", sa.BigInteger(), nullable=True),
        sa.Column("scores", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_weights_exams_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"],
            ["vixen.lora_checkpoints.id"],
            name=op.f("fk_weights_exams_checkpoint_id_lora_checkpoints"),
        ),
        sa.ForeignKeyConstraint(
            ["portrait_id"],
            ["vixen.generated_images.id"],
            name=op.f("fk_weights_exams_portrait_id_generated_images"),
        ),
        sa.ForeignKeyConstraint(
            ["weights_id"],
            ["vixen.lora_weights.id"],
            name=op.f("fk_weights_exams_weights_id_lora_weights"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_weights_exams")),
        sa.UniqueConstraint(
            "weights_id",
            "sha256",
            "exam_digest",
            name=op.f("uq_weights_exams_weights_id_sha256_exam_digest"),
        ),
        schema="vixen",
    )
    op.create_index(
        "uq_weights_exams_chosen",
        "weights_exams",
        ["weights_id"],
        unique=True,
        schema="vixen",
        postgresql_where=sa.text("chosen"),
    )
    op.create_table(
        "rendered_images",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("shot_id", sa.BigInteger(), nullable=True),
        sa.Column("exam_id", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("effect_id", sa.BigInteger(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("prompt_sha256", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("phash_bits", BIT(length=64), nullable=True),
        sa.Column("sharpness", sa.Double(), nullable=True),
        sa.Column("identity_score", sa.Double(), nullable=True),
        sa.Column("identity_scorer", sa.Text(), nullable=True),
        sa.Column("moderation", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("unusable", sa.Text(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("duplicate_of", sa.BigInteger(), nullable=True),
        sa.Column("selected", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("usd", sa.Numeric(precision=20, scale=8), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(shot_id IS NULL) <> (exam_id IS NULL)", name=op.f("ck_rendered_images_purpose")
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_rendered_images_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["duplicate_of"],
            ["vixen.rendered_images.id"],
            name=op.f("fk_rendered_images_duplicate_of_rendered_images"),
        ),
        sa.ForeignKeyConstraint(
            ["effect_id"], ["vixen.effects.id"], name=op.f("fk_rendered_images_effect_id_effects")
        ),
        sa.ForeignKeyConstraint(
            ["exam_id"],
            ["vixen.weights_exams.id"],
            name=op.f("fk_rendered_images_exam_id_weights_exams"),
        ),
        sa.ForeignKeyConstraint(
            ["shot_id"],
            ["vixen.content_shots.id"],
            name=op.f("fk_rendered_images_shot_id_content_shots"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rendered_images")),
        sa.UniqueConstraint(
            "avatar_id",
            "prompt_sha256",
            "seed",
            "weights_sha256",
            name=op.f("uq_rendered_images_avatar_id_prompt_sha256_seed_weights_sha256"),
        ),
        sa.UniqueConstraint("exam_id", "attempt", name=op.f("uq_rendered_images_exam_id_attempt")),
        sa.UniqueConstraint("request_id", name=op.f("uq_rendered_images_request_id")),
        sa.UniqueConstraint("shot_id", "attempt", name=op.f("uq_rendered_images_shot_id_attempt")),
        schema="vixen",
    )
    op.create_index(
        "ix_rendered_images_effect", "rendered_images", ["effect_id"], unique=False, schema="vixen"
    )
    op.create_index(
        "ix_rendered_images_open",
        "rendered_images",
        ["avatar_id"],
        unique=False,
        schema="vixen",
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(
        "ix_rendered_images_phash_bits",
        "rendered_images",
        ["phash_bits"],
        unique=False,
        schema="vixen",
        postgresql_using="hnsw",
        postgresql_ops={"phash_bits": "bit_hamming_ops"},
        postgresql_where=sa.text("selected"),
    )
    op.create_index(
        "uq_rendered_images_selected",
        "rendered_images",
        ["shot_id"],
        unique=True,
        schema="vixen",
        postgresql_where=sa.text("selected"),
    )
    op.create_table(
        "content_pieces",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("shot_id", sa.BigInteger(), nullable=True),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("declared_tier", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("tier_reason", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("reviewed_by", sa.Text(), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disclosure", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lineage", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("usd", sa.Numeric(precision=20, scale=8), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "format IN ('still', 'carousel', 'slideshow', 'video')",
            name=op.f("ck_content_pieces_format"),
        ),
        sa.CheckConstraint(
            "state IN ('pending_review', 'auto_approved', 'approved', 'rejected')",
            name=op.f("ck_content_pieces_state"),
        ),
        sa.CheckConstraint(
            "tier IN ('public', 'premium', 'exclusive')", name=op.f("ck_content_pieces_tier")
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_content_pieces_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["vixen.rendered_images.id"],
            name=op.f("fk_content_pieces_image_id_rendered_images"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["vixen.content_plans.id"],
            name=op.f("fk_content_pieces_plan_id_content_plans"),
        ),
        sa.ForeignKeyConstraint(
            ["shot_id"],
            ["vixen.content_shots.id"],
            name=op.f("fk_content_pieces_shot_id_content_shots"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_pieces")),
        sa.UniqueConstraint("avatar_id", "key", name=op.f("uq_content_pieces_avatar_id_key")),
        sa.UniqueConstraint("image_id", name=op.f("uq_content_pieces_image_id")),
        schema="vixen",
    )
    op.create_index(
        "ix_content_pieces_avatar",
        "content_pieces",
        ["avatar_id", "created_at"],
        unique=False,
        schema="vixen",
    )
    op.create_index(
        "ix_content_pieces_shot", "content_pieces", ["shot_id"], unique=False, schema="vixen"
    )
    op.create_index(
        "ix_content_pieces_plan",
        "content_pieces",
        ["plan_id", "format", "state"],
        unique=False,
        schema="vixen",
    )
    op.create_table(
        "piece_files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("piece_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("phash_bits", BIT(length=64), nullable=True),
        sa.Column("credentials", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["piece_id"],
            ["vixen.content_pieces.id"],
            name=op.f("fk_piece_files_piece_id_content_pieces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_piece_files")),
        sa.UniqueConstraint("piece_id", "name", name=op.f("uq_piece_files_piece_id_name")),
        schema="vixen",
    )
    op.create_index(
        "ix_piece_files_phash_bits",
        "piece_files",
        ["phash_bits"],
        unique=False,
        schema="vixen",
        postgresql_using="hnsw",
        postgresql_ops={"phash_bits": "bit_hamming_ops"},
    )
    op.create_index(
        "ix_piece_files_sha256", "piece_files", ["sha256"], unique=False, schema="vixen"
    )
    op.create_table(
        "piece_members",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("piece_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["vixen.content_pieces.id"],
            name=op.f("fk_piece_members_member_id_content_pieces"),
        ),
        sa.ForeignKeyConstraint(
            ["piece_id"],
            ["vixen.content_pieces.id"],
            name=op.f("fk_piece_members_piece_id_content_pieces"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_piece_members")),
        sa.UniqueConstraint(
            "piece_id", "member_id", name=op.f("uq_piece_members_piece_id_member_id")
        ),
        sa.UniqueConstraint(
            "piece_id", "position", name=op.f("uq_piece_members_piece_id_position")
        ),
        schema="vixen",
    )
    op.create_index(
        "ix_piece_members_member", "piece_members", ["member_id"], unique=False, schema="vixen"
    )


def downgrade() -> None:
    op.drop_table("piece_members", schema="vixen")
    op.drop_table("piece_files", schema="vixen")
    op.drop_table("content_pieces", schema="vixen")
    op.drop_table("rendered_images", schema="vixen")
    op.drop_table("weights_exams", schema="vixen")
    op.drop_table("lora_checkpoints", schema="vixen")
    op.drop_table("content_copies", schema="vixen")
    op.drop_table("content_shots", schema="vixen")
    op.drop_table("content_plans", schema="vixen")
    op.drop_table("cost_totals", schema="vixen")
    op.drop_index("ix_cost_entries_open", table_name="cost_entries", schema="vixen")
    op.drop_column("cost_entries", "rolled_up", schema="vixen")
