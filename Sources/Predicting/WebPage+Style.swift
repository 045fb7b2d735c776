// The style of the page: light and dark as the reader has it, readable at any width.

extension WebPage {
    static let styleText = """
        :root {
          color-scheme: light dark;
          --ground: #f5f6f8; --card: #ffffff; --ink: #1b1f27; --quiet: #5b6472;
          --line: #d9dee6; --accent: #2456c7; --on-accent: #ffffff; --wrong: #b3261e;
          --bar: #cfdcf8;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #12151b; --card: #1b2029; --ink: #e8ebf0; --quiet: #a0a9b8;
            --line: #343c4a; --accent: #8fb2ff; --on-accent: #0d1320; --wrong: #ff9a91;
            --bar: #2d4272;
          }
        }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        body {
          margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 70rem;
          background: var(--ground); color: var(--ink);
          font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
        }
        header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center;
          justify-content: space-between; margin-bottom: 1rem; }
        h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
        h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
        p { margin: .25rem 0; }
        .title p, .quiet { color: var(--quiet); }
        .state { padding: .15rem .75rem; border-radius: 1rem; border: 1px solid var(--line);
          background: var(--card); font-size: .9rem; }
        .state.ready::before { content: "●"; color: #1d8348; margin-right: .4rem; }
        main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%,
          26rem), 1fr)); align-items: start; }
        .card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
          padding: 1.1rem 1.25rem; min-width: 0; }
        #history-card { grid-column: 1 / -1; }
        .fields { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill,
          minmax(min(100%, 11rem), 1fr)); }
        .fields .wide { grid-column: 1 / -1; }
        label { display: block; font-weight: 600; font-size: .92rem; }
        label .quiet { font-weight: 400; }
        input, select, textarea {
          width: 100%; margin-top: .2rem; padding: .5rem .6rem; font: inherit; color: inherit;
          background: var(--ground); border: 1px solid var(--line); border-radius: .45rem;
        }
        textarea { resize: vertical; }
        input[aria-invalid=true], select[aria-invalid=true], textarea[aria-invalid=true] {
          border-color: var(--wrong); }
        button { padding: .5rem 1.1rem; font: inherit; font-weight: 600; cursor: pointer;
          color: var(--on-accent); background: var(--accent); border: 0; border-radius: .45rem; }
        button:disabled { opacity: .6; cursor: progress; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        .row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center;
          margin-top: .75rem; }
        .row input { flex: 1 1 12rem; width: auto; margin-top: 0; }
        .problem { color: var(--wrong); min-height: 0; }
        .problem:not(:empty) { margin-top: .6rem; }
        .result:not(:empty) { margin-top: 1rem; padding-top: 1rem;
          border-top: 1px solid var(--line); }
        .value { font-size: 1.9rem; font-weight: 650; line-height: 1.2; }
        .value small { font-size: 1rem; font-weight: 400; color: var(--quiet); }
        .bar { position: relative; margin: .3rem 0; padding: .2rem .6rem; border-radius: .35rem;
          overflow: hidden; display: flex; justify-content: space-between; gap: 1rem; }
        .bar progress { position: absolute; inset: 0; width: 100%; height: 100%; border: 0;
          appearance: none; background: var(--ground); }
        .bar progress::-webkit-progress-bar { background: var(--ground); }
        .bar progress::-webkit-progress-value { background: var(--bar); }
        .bar progress::-moz-progress-bar { background: var(--bar); }
        .bar span { position: relative; overflow-wrap: anywhere; }
        pre { margin: .5rem 0 0; padding: .6rem; max-height: 14rem; overflow: auto;
          background: var(--ground); border-radius: .45rem; font-size: .85rem;
          white-space: pre-wrap; overflow-wrap: anywhere; }
        code { overflow-wrap: anywhere; }
        dl { margin: 0; display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
        dt { color: var(--quiet); }
        dd { margin: 0; overflow-wrap: anywhere; }
        .figures { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .75rem;
          margin: .75rem 0; }
        .figures div { padding: .5rem .75rem; background: var(--ground); border-radius: .45rem; }
        .figures dd { font-size: 1.25rem; font-weight: 650; }
        .scroll { overflow-x: auto; }
        table { width: 100%; border-collapse: collapse; font-size: .9rem; }
        th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
          vertical-align: top; }
        td { overflow-wrap: anywhere; }
        td.cut { max-width: 24rem; }
        a { color: var(--accent); }

        """
}
