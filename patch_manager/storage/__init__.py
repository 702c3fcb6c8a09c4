"""PostgreSQL: asyncpg through trio-asyncio, one module per aggregate, SQL migrations, embedded server."""
