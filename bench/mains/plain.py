"""A measuring process whose main module imports nothing to speak of."""

if __name__ == "__main__":
    from bench.one_run import main

    main()
