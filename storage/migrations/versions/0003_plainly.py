"""What a model said plainly to the very questions of an attack, beside what it said under it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("attack_units") as table:
        table.add_column(sa.Column("plainly", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("attack_units") as table:
        table.drop_column("plainly")
