"""Foundation and identity"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.create_table(
        "avatar_specs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_key", sa.Text(), nullable=False),
        sa.Column("niche", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column(
            "landed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_avatar_specs")),
        sa.UniqueConstraint(
            "avatar_key", "version", name=op.f("uq_avatar_specs_avatar_key_version")
        ),
        schema="landing",
    )
    op.create_index(
        "ix_avatar_specs_unregistered",
        "avatar_specs",
        ["id"],
        unique=False,
        schema="landing",
        postgresql_where=sa.text("registered_at IS NULL"),
    )
    op.create_index(
        "uq_avatar_specs_handle",
        "avatar_specs",
        ["handle"],
        unique=True,
        schema="landing",
        postgresql_where=sa.text("version = 1"),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "available_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'claimed', 'handled', 'dead')",
            name=op.f("ck_webhook_events_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint(
            "provider", "event_id", name=op.f("uq_webhook_events_provider_event_id")
        ),
        schema="landing",
    )
    op.create_index(
        "ix_webhook_events_dead",
        "webhook_events",
        ["id"],
        unique=False,
        schema="landing",
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_webhook_events_open",
        "webhook_events",
        ["provider", "id"],
        unique=False,
        schema="landing",
        postgresql_where=sa.text("state IN ('pending', 'claimed')"),
    )
    op.create_table(
        "likeness_consents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("document_sha256", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_likeness_consents")),
        sa.UniqueConstraint("reference", name=op.f("uq_likeness_consents_reference")),
        schema="vixen",
    )
    op.create_table(
        "avatars",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("niche", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("spec_id", sa.BigInteger(), nullable=False),
        sa.Column("spec_version", sa.BigInteger(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("persona_digest", sa.Text(), nullable=False),
        sa.Column("appearance_digest", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("key = niche || ':' || handle", name=op.f("ck_avatars_key")),
        sa.CheckConstraint("status IN ('active', 'archived')", name=op.f("ck_avatars_status")),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["landing.avatar_specs.id"], name=op.f("fk_avatars_spec_id_avatar_specs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_avatars")),
        sa.UniqueConstraint("handle", name=op.f("uq_avatars_handle")),
        sa.UniqueConstraint("key", name=op.f("uq_avatars_key")),
        schema="vixen",
    )
    op.create_table(
        "budgets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=True),
        sa.Column("usd", sa.Numeric(precision=20, scale=8), nullable=False),
        sa.CheckConstraint(
            "(scope = 'day') = (avatar_id IS NULL)", name=op.f("ck_budgets_avatar_scope")
        ),
        sa.CheckConstraint("scope IN ('avatar', 'day')", name=op.f("ck_budgets_scope")),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_budgets_avatar_id_avatars")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint(
            "scope",
            "avatar_id",
            name=op.f("uq_budgets_scope_avatar_id"),
            postgresql_nulls_not_distinct=True,
        ),
        schema="vixen",
    )
    op.create_table(
        "cost_reservations",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=True),
        sa.Column("usd", sa.Numeric(precision=20, scale=8), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_cost_reservations_avatar_id_avatars")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_cost_reservations")),
        schema="vixen",
    )
    op.create_index(
        "ix_cost_reservations_avatar",
        "cost_reservations",
        ["avatar_id"],
        unique=False,
        schema="vixen",
    )
    op.create_table(
        "effects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="intended", nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("deadline_s", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "intended_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "state IN ('intended', 'dispatched', 'confirmed', 'failed', 'unknown')",
            name=op.f("ck_effects_state"),
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_effects_avatar_id_avatars")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_effects")),
        sa.UniqueConstraint("key", name=op.f("uq_effects_key")),
        schema="vixen",
    )
    op.create_index(
        "ix_effects_avatar", "effects", ["avatar_id", "kind"], unique=False, schema="vixen"
    )
    op.create_index(
        "ix_effects_open",
        "effects",
        ["deadline"],
        unique=False,
        schema="vixen",
        postgresql_where=sa.text("state IN ('intended', 'dispatched', 'unknown')"),
    )
    op.create_index(
        "ix_effects_remote", "effects", ["provider", "remote_id"], unique=False, schema="vixen"
    )
    op.create_table(
        "personas",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("input_digest", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("embedding", VECTOR(1536), nullable=False),
        sa.Column("embedding_model", sa.Text(), nullable=False),
        sa.Column("neighbour_avatar_id", sa.BigInteger(), nullable=True),
        sa.Column("neighbour_similarity", sa.Double(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_personas_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["neighbour_avatar_id"],
            ["vixen.avatars.id"],
            name=op.f("fk_personas_neighbour_avatar_id_avatars"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_personas")),
        sa.UniqueConstraint(
            "avatar_id", "input_digest", name=op.f("uq_personas_avatar_id_input_digest")
        ),
        schema="vixen",
    )
    op.create_index(
        "ix_personas_embedding",
        "personas",
        ["embedding"],
        unique=False,
        schema="vixen",
        postgresql_using="hnsw",
        postgresql_ops={"embedding": "vector_cosine_ops"},
    )
    op.create_table(
        "stage_attempts",
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "first_failed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_stage_attempts_avatar_id_avatars")
        ),
        sa.PrimaryKeyConstraint("avatar_id", "stage", name=op.f("pk_stage_attempts")),
        schema="vixen",
    )
    op.create_table(
        "cost_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=True),
        sa.Column("effect_id", sa.BigInteger(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("units", sa.Numeric(precision=20, scale=8), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("usd", sa.Numeric(precision=20, scale=8), nullable=False),
        sa.Column("price_version", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_cost_entries_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["effect_id"], ["vixen.effects.id"], name=op.f("fk_cost_entries_effect_id_effects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_entries")),
        sa.UniqueConstraint("key", name=op.f("uq_cost_entries_key")),
        schema="vixen",
    )
    op.create_index(
        "ix_cost_entries_avatar",
        "cost_entries",
        ["avatar_id", "occurred_at"],
        unique=False,
        schema="vixen",
    )
    op.create_index(
        "ix_cost_entries_day", "cost_entries", ["occurred_at"], unique=False, schema="vixen"
    )
    op.create_table(
        "generated_images",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("input_digest", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("effect_id", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("shot", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("sharpness", sa.Double(), nullable=True),
        sa.Column("identity_score", sa.Double(), nullable=True),
        sa.Column("identity_scorer", sa.Text(), nullable=True),
        sa.Column("moderation", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("unusable", sa.Text(), nullable=True),
        sa.Column("caption", sa.Text(), nullable=True),
        sa.Column("selected", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_generated_images_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["effect_id"], ["vixen.effects.id"], name=op.f("fk_generated_images_effect_id_effects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generated_images")),
        sa.UniqueConstraint(
            "avatar_id",
            "purpose",
            "input_digest",
            "slot",
            "attempt",
            name=op.f("uq_generated_images_avatar_id_purpose_input_digest_slot_attempt"),
        ),
        sa.UniqueConstraint("effect_id", name=op.f("uq_generated_images_effect_id")),
        schema="vixen",
    )
    op.create_index(
        "uq_generated_images_selected",
        "generated_images",
        ["avatar_id", "purpose", "input_digest", "slot"],
        unique=True,
        schema="vixen",
        postgresql_where=sa.text("selected"),
    )
    op.create_table(
        "training_datasets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("input_digest", sa.Text(), nullable=False),
        sa.Column("portrait_id", sa.BigInteger(), nullable=False),
        sa.Column("image_count", sa.BigInteger(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archive_key", sa.Text(), nullable=False),
        sa.Column("archive_sha256", sa.Text(), nullable=False),
        sa.Column("archive_bytes", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_training_datasets_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["portrait_id"],
            ["vixen.generated_images.id"],
            name=op.f("fk_training_datasets_portrait_id_generated_images"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_datasets")),
        sa.UniqueConstraint(
            "avatar_id", "input_digest", name=op.f("uq_training_datasets_avatar_id_input_digest")
        ),
        schema="vixen",
    )
    op.create_table(
        "lora_trainings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("settings_digest", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("attempt", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("effect_id", sa.BigInteger(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="submitted", nullable=False),
        sa.Column("estimate_usd", sa.Numeric(precision=20, scale=8), nullable=False),
        sa.Column("billed_seconds", sa.Numeric(precision=20, scale=8), nullable=True),
        sa.Column("cost_usd", sa.Numeric(precision=20, scale=8), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "status_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('submitted', 'processing', 'succeeded', 'failed', 'canceled', 'aborted')",
            name=op.f("ck_lora_trainings_status"),
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_lora_trainings_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["vixen.training_datasets.id"],
            name=op.f("fk_lora_trainings_dataset_id_training_datasets"),
        ),
        sa.ForeignKeyConstraint(
            ["effect_id"], ["vixen.effects.id"], name=op.f("fk_lora_trainings_effect_id_effects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lora_trainings")),
        sa.UniqueConstraint(
            "dataset_id",
            "settings_digest",
            "attempt",
            name=op.f("uq_lora_trainings_dataset_id_settings_digest_attempt"),
        ),
        sa.UniqueConstraint("effect_id", name=op.f("uq_lora_trainings_effect_id")),
        schema="vixen",
    )
    op.create_index(
        "ix_lora_trainings_open",
        "lora_trainings",
        ["next_poll_at"],
        unique=False,
        schema="vixen",
        postgresql_where=sa.text("status IN ('submitted', 'processing')"),
    )
    op.create_index(
        "ix_lora_trainings_remote", "lora_trainings", ["remote_id"], unique=False, schema="vixen"
    )
    op.create_table(
        "lora_weights",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("avatar_id", sa.BigInteger(), nullable=False),
        sa.Column("training_id", sa.BigInteger(), nullable=False),
        sa.Column("archive_key", sa.Text(), nullable=True),
        sa.Column("archive_sha256", sa.Text(), nullable=True),
        sa.Column("object_key", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("embeddings_key", sa.Text(), nullable=True),
        sa.Column("embeddings_sha256", sa.Text(), nullable=True),
        sa.Column("family", sa.Text(), nullable=True),
        sa.Column("rank", sa.BigInteger(), nullable=True),
        sa.Column("tensor_count", sa.BigInteger(), nullable=True),
        sa.Column("trigger_word", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["avatar_id"], ["vixen.avatars.id"], name=op.f("fk_lora_weights_avatar_id_avatars")
        ),
        sa.ForeignKeyConstraint(
            ["training_id"],
            ["vixen.lora_trainings.id"],
            name=op.f("fk_lora_weights_training_id_lora_trainings"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lora_weights")),
        sa.UniqueConstraint("training_id", name=op.f("uq_lora_weights_training_id")),
        schema="vixen",
    )


def downgrade() -> None:
    op.drop_table("lora_weights", schema="vixen")
    op.drop_index("ix_lora_trainings_remote", table_name="lora_trainings", schema="vixen")
    op.drop_index(
        "ix_lora_trainings_open",
        table_name="lora_trainings",
        schema="vixen",
        postgresql_where=sa.text("status IN ('submitted', 'processing')"),
    )
    op.drop_table("lora_trainings", schema="vixen")
    op.drop_table("training_datasets", schema="vixen")
    op.drop_index(
        "uq_generated_images_selected",
        table_name="generated_images",
        schema="vixen",
        postgresql_where=sa.text("selected"),
    )
    op.drop_table("generated_images", schema="vixen")
    op.drop_index("ix_cost_entries_day", table_name="cost_entries", schema="vixen")
    op.drop_index("ix_cost_entries_avatar", table_name="cost_entries", schema="vixen")
    op.drop_table("cost_entries", schema="vixen")
    op.drop_table("stage_attempts", schema="vixen")
    op.drop_index(
        "ix_personas_embedding",
        table_name="personas",
        schema="vixen",
        postgresql_using="hnsw",
        postgresql_ops={"embedding": "vector_cosine_ops"},
    )
    op.drop_table("personas", schema="vixen")
    op.drop_index("ix_effects_remote", table_name="effects", schema="vixen")
    op.drop_index(
        "ix_effects_open",
        table_name="effects",
        schema="vixen",
        postgresql_where=sa.text("state IN ('intended', 'dispatched', 'unknown')"),
    )
    op.drop_index("ix_effects_avatar", table_name="effects", schema="vixen")
    op.drop_table("effects", schema="vixen")
    op.drop_index("ix_cost_reservations_avatar", table_name="cost_reservations", schema="vixen")
    op.drop_table("cost_reservations", schema="vixen")
    op.drop_table("budgets", schema="vixen")
    op.drop_table("avatars", schema="vixen")
    op.drop_table("likeness_consents", schema="vixen")
    op.drop_index(
        "ix_webhook_events_open",
        table_name="webhook_events",
        schema="landing",
        postgresql_where=sa.text("state IN ('pending', 'claimed')"),
    )
    op.drop_index(
        "ix_webhook_events_dead",
        table_name="webhook_events",
        schema="landing",
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.drop_table("webhook_events", schema="landing")
    op.drop_index(
        "uq_avatar_specs_handle",
        table_name="avatar_specs",
        schema="landing",
        postgresql_where=sa.text("version = 1"),
    )
    op.drop_index(
        "ix_avatar_specs_unregistered",
        table_name="avatar_specs",
        schema="landing",
        postgresql_where=sa.text("registered_at IS NULL"),
    )
    op.drop_table("avatar_specs", schema="landing")
