SELECT {columns}
FROM {table}
WHERE group_id = :group_id AND profile_run_id = :profile_run_id
ORDER BY schema_name, table_name, ordinal_position
