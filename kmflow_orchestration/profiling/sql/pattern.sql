CASE WHEN octet_length(value) = length(value)
      -- translate() is eleven times cheaper than regular expressions on the embedded engine.
      THEN translate(value, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789', 'aaaaaaaaaaaaaaaaaaaaaaaaaaAAAAAAAAAAAAAAAAAAAAAAAAAANNNNNNNNNN')
      ELSE regexp_replace(regexp_replace(regexp_replace(value, '[\\p{Lu}\\p{Lt}]', 'A'), '[\\p{Ll}\\p{Lo}\\p{Lm}]', 'a'), '\\p{Nd}', 'N')
    END
