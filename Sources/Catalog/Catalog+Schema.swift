// The schema of the catalog's database, as steps from one version to the next.
//
// Row ids of `node` and `content` are never reused (AUTOINCREMENT), because the kernel keeps them.

internal import Database

extension Catalog {
    /// The version of the database's schema that this program makes; older ones become it.
    package static var schemaVersion: Int { schema.count }

    static let schema: [SchemaStep] = [
        """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID;
        -- Random, so that a rebuilt database does not give old node ids a new meaning.
        INSERT INTO meta VALUES ('epoch', 1 + abs(random() % 4194302));

        CREATE TABLE repository (
            id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,
            canonical TEXT NOT NULL, is_private INTEGER NOT NULL, is_gated INTEGER NOT NULL,
            is_access_granted INTEGER NOT NULL DEFAULT 0, is_listed INTEGER NOT NULL DEFAULT 0,
            is_used INTEGER NOT NULL DEFAULT 0, UNIQUE (kind, name));

        CREATE TABLE organisation (
            kind TEXT NOT NULL, name TEXT NOT NULL, listed_at INTEGER NOT NULL,
            is_truncated INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;

        -- kind: branch, tag, pullRequest, convert, or NULL for what no listing named.
        -- The default branch stands under the empty name.
        CREATE TABLE ref (
            repository INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT,
            commit_oid BLOB NOT NULL, resolved_at INTEGER NOT NULL,
            PRIMARY KEY (repository, name)) WITHOUT ROWID;
        CREATE TABLE refs_listing (
            repository INTEGER PRIMARY KEY, listed_at INTEGER NOT NULL);

        CREATE TABLE "commit" (
            id INTEGER PRIMARY KEY, repository INTEGER NOT NULL, oid BLOB NOT NULL,
            date INTEGER, has_tree INTEGER NOT NULL DEFAULT 0, UNIQUE (repository, oid));

        CREATE TABLE directory (
            commit_id INTEGER NOT NULL, path BLOB NOT NULL, entries BLOB NOT NULL,
            PRIMARY KEY (commit_id, path)) WITHOUT ROWID;

        CREATE TABLE content (
            id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL, size INTEGER NOT NULL,
            modified INTEGER NOT NULL, xet TEXT, UNIQUE (hash, size));
        CREATE TABLE content_source (
            content INTEGER NOT NULL, commit_id INTEGER NOT NULL, path BLOB NOT NULL,
            PRIMARY KEY (content, commit_id)) WITHOUT ROWID;

        -- detail: a folder's path, a link's target, a repository's name; by kind.
        CREATE TABLE node (
            id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, name BLOB NOT NULL,
            kind INTEGER NOT NULL, commit_id INTEGER NOT NULL, repository_kind TEXT NOT NULL,
            detail BLOB NOT NULL, changed INTEGER NOT NULL,
            UNIQUE (parent, name, kind, commit_id, detail));
        """,
        SchemaStep { (connection) throws(DatabaseError) in
            try Catalog.insertFixedNodes(connection)
        },
        """
        -- The directories that can change: found when they do, among all folders of all commits.
        CREATE INDEX node_changing ON node (kind, repository_kind, detail) WHERE kind < 4;
        """,
        """
        CREATE INDEX content_source_by_commit ON content_source (commit_id);
        -- Commits whose contents the cache keeps.
        CREATE TABLE pin (commit_id INTEGER PRIMARY KEY, pinned_at INTEGER NOT NULL);

        -- What changed and is not kept outside of this database yet (Catalog+Records.swift), by
        -- kind and row; an owner by its name. `change` tells a later change from the one kept.
        CREATE TABLE unkept (
            kind INTEGER NOT NULL, key, change INTEGER NOT NULL,
            PRIMARY KEY (kind, key)) WITHOUT ROWID;
        INSERT INTO unkept SELECT 1, id, 1 FROM repository;
        INSERT INTO unkept SELECT 2, id, 1 FROM "commit" WHERE has_tree = 1;
        INSERT INTO unkept SELECT 3, kind || '/' || name, 1 FROM organisation;

        CREATE TRIGGER repository_made AFTER INSERT ON repository BEGIN
            INSERT INTO unkept VALUES (1, new.id, 1) ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER repository_changed AFTER UPDATE ON repository
            WHEN (old.canonical, old.is_private, old.is_gated, old.is_access_granted,
                old.is_listed, old.is_used)
            <> (new.canonical, new.is_private, new.is_gated, new.is_access_granted,
                new.is_listed, new.is_used) BEGIN
            INSERT INTO unkept VALUES (1, new.id, 1) ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER ref_made AFTER INSERT ON ref BEGIN
            INSERT INTO unkept VALUES (1, new.repository, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER ref_changed AFTER UPDATE ON ref
            WHEN old.commit_oid <> new.commit_oid OR old.kind IS NOT new.kind BEGIN
            INSERT INTO unkept VALUES (1, new.repository, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER refs_listed AFTER INSERT ON refs_listing BEGIN
            INSERT INTO unkept VALUES (1, new.repository, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER tree_made AFTER UPDATE ON "commit"
            WHEN new.has_tree = 1 AND (old.has_tree = 0 OR old.date IS NOT new.date) BEGIN
            INSERT INTO unkept VALUES (2, new.id, 1) ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER organisation_made AFTER INSERT ON organisation BEGIN
            INSERT INTO unkept VALUES (3, new.kind || '/' || new.name, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER organisation_changed AFTER UPDATE ON organisation
            WHEN old.is_truncated <> new.is_truncated BEGIN
            INSERT INTO unkept VALUES (3, new.kind || '/' || new.name, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER pin_made AFTER INSERT ON pin BEGIN
            INSERT INTO unkept VALUES (4, new.commit_id, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        CREATE TRIGGER pin_removed AFTER DELETE ON pin BEGIN
            INSERT INTO unkept VALUES (4, old.commit_id, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        """,
        """
        -- SQLite does not notice flipped bits. NULL in rows that are older than this.
        ALTER TABLE directory ADD COLUMN checksum INTEGER;
        ALTER TABLE content ADD COLUMN checksum INTEGER;
        """,
        """
        -- In which order a commit's contents were first touched (TouchTrace).
        CREATE TABLE trace (
            commit_id INTEGER PRIMARY KEY, extents BLOB NOT NULL, recorded_at INTEGER NOT NULL);
        """,
        """
        -- Names of this machine's own for revisions: each is what its newest change says. Without
        -- a repository the alias was taken away.
        CREATE TABLE alias_change (
            kind TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL,
            changed_at INTEGER NOT NULL, who TEXT NOT NULL, repository TEXT, revision TEXT,
            commit_oid BLOB, PRIMARY KEY (kind, name, number)) WITHOUT ROWID;
        CREATE TRIGGER alias_changed AFTER INSERT ON alias_change BEGIN
            INSERT INTO unkept VALUES (6, new.kind || '/' || new.name, 1)
                ON CONFLICT DO UPDATE SET change = change + 1;
        END;
        """,
    ]
}
