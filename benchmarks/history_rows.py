"""The past of an avatar, written to the tables at once: SQL for pieces number :first to :last.

Belongs here: statements, in order. Does not: running them. A piece leaves behind what a real one
does: a shot with its embedding, an image and its share of a call, two captions, three files, the
cost entries. Vectors and hashes are random, so no two are alike.
"""

from __future__ import annotations

INDEXES = (
    "ix_content_shots_embedding",
    "ix_rendered_images_phash_bits",
    "ix_piece_files_phash_bits",
)

_AVATAR = "(SELECT id FROM vixen.avatars WHERE key = :key)"
_HASH = "md5({salt} || n || random())"
_BITS = "('x' || substr(md5({salt} || n || random()), 1, 16))::bit(64)"
_NUMBERS = "generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"
_PLAN = f"""JOIN vixen.content_plans p
      ON p.avatar_id = {_AVATAR} AND p.number = 100 + 2 * ((n - 1) / 50)"""

_PLANS = f"""
    INSERT INTO vixen.content_plans (avatar_id, number, count, mix, platforms, formats, seed,
      requested_by, planned_at, completed_at)
    SELECT {_AVATAR}, 100 + 2 * p, 50, '{{"public": 50}}'::jsonb,
      (SELECT platforms FROM vixen.content_plans LIMIT 1), '{{}}'::jsonb, p, 'history',
      now() - interval '30 days', now() - interval '29 days'
    FROM generate_series((CAST(:first AS int) - 1) / 50, (CAST(:last AS int) - 1) / 50) AS p
"""
_SHOTS = f"""
    INSERT INTO vixen.content_shots (avatar_id, plan_id, position, scene, tier, template, choices,
      prompt, negative_prompt, prompt_sha256, seed, embedding, embedding_model, moderation)
    SELECT p.avatar_id, p.id, (n - 1) % 50, 0, 'public', 'history', '{{}}'::jsonb,
      'history ' || n, '',
      {_HASH.format(salt="'a'")} || {_HASH.format(salt="'b'")}, n,
      (SELECT array_agg(random() - 0.5)::vector FROM generate_series(1, 1536 + 0 * n)),
      :model, '{{}}'::jsonb
    FROM {_NUMBERS}
    {_PLAN}
"""
_EFFECTS = f"""
    INSERT INTO vixen.effects (kind, provider, avatar_id, key, state, request, request_digest,
      remote_id, deadline_s, deadline)
    SELECT 'content.images', 'modal', {_AVATAR}, 'history:' || n, 'confirmed', '{{}}'::jsonb,
      md5(n::text), 'history:' || n, 60, now()
    FROM {_NUMBERS}
"""
_IMAGES = f"""
    INSERT INTO vixen.rendered_images (avatar_id, shot_id, attempt, request_id, effect_id, prompt,
      prompt_sha256, seed, weights_sha256, object_key, sha256, phash_bits, selected, usd,
      moderation, settled_at)
    SELECT s.avatar_id, s.id, 1, 'history:' || n, e.id, s.prompt, s.prompt_sha256, s.seed,
      'history', 'history/' || n, s.prompt_sha256, {_BITS.format(salt="'c'")}, true, 0.002,
      '{{}}'::jsonb, now()
    FROM {_NUMBERS}
    {_PLAN}
    JOIN vixen.content_shots s ON s.plan_id = p.id AND s.position = (n - 1) % 50
    JOIN vixen.effects e ON e.key = 'history:' || n
"""
_COPIES = f"""
    INSERT INTO vixen.content_copies (avatar_id, shot_id, platform, round, variant, outcome,
      language, caption, chosen, provider, model, usd)
    SELECT p.avatar_id, s.id, platform, 1, 1, 'written', 'en', 'history ' || n, true, 'history',
      'history', 0.001
    FROM {_NUMBERS} CROSS JOIN unnest(ARRAY['instagram', 'tiktok']) AS platform
    {_PLAN}
    JOIN vixen.content_shots s ON s.plan_id = p.id AND s.position = (n - 1) % 50
"""
_PIECES = f"""
    INSERT INTO vixen.content_pieces (avatar_id, plan_id, key, format, shot_id, image_id,
      declared_tier, tier, state, disclosure, lineage, usd)
    SELECT i.avatar_id, p.id, 'still:' || i.id, 'still', i.shot_id, i.id, 'public', 'public',
      'auto_approved', '{{}}'::jsonb, '{{}}'::jsonb, 0.004
    FROM {_NUMBERS}
    {_PLAN}
    JOIN vixen.content_shots s ON s.plan_id = p.id AND s.position = (n - 1) % 50
    JOIN vixen.rendered_images i ON i.shot_id = s.id
"""
_FILES = f"""
    INSERT INTO vixen.piece_files (piece_id, name, object_key, sha256, bytes, width, height,
      content_type, phash_bits, credentials)
    SELECT c.id, name, 'history/' || n || name, {_HASH.format(salt="name")}, 1, 1, 1, 'image/jpeg',
      {_BITS.format(salt="name")}, '{{}}'::jsonb
    FROM {_NUMBERS} CROSS JOIN unnest(ARRAY['4:5', '9:16', '1:1']) AS name
    {_PLAN}
    JOIN vixen.content_shots s ON s.plan_id = p.id AND s.position = (n - 1) % 50
    JOIN vixen.content_pieces c ON c.shot_id = s.id
"""
_COSTS = f"""
    INSERT INTO vixen.cost_entries (key, avatar_id, provider, sku, batch, units, unit, usd,
      price_version)
    SELECT 'history:' || n, {_AVATAR}, 'modal', 'gpu-l40s', 'content_images', 4, 'second', 0.004,
      'history'
    FROM {_NUMBERS}
"""
HISTORY = (_PLANS, _SHOTS, _EFFECTS, _IMAGES, _COPIES, _PIECES, _FILES, _COSTS)
"""A plan for 50 pieces (every other number, so that real ones find theirs between), a call and a
cost entry for each piece: about what real pieces leave."""
