// The theme wraps wide tables so that they scroll; a keyboard reaches them only if they take the focus.
document$.subscribe(() =>
  requestAnimationFrame(() => {
    for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) table.tabIndex = 0;
  }),
);
